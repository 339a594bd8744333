package keys

import (
	"testing"

	"ringdown/privacy"
)

// What a call waits for when it begins: one row and one sync, shared by those
// that begin at the same time.
func BenchmarkNewRecordingKey(b *testing.B) {
	s := newStore(b)
	sub := newSubject(b, s, "demo", caller)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := s.NewRecordingKey("demo", sub, "rec_1"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkKnownSubject(b *testing.B) {
	s := newStore(b)
	newSubject(b, s, "demo", caller)
	b.ReportAllocs()
	for b.Loop() {
		newSubject(b, s, "demo", caller)
	}
}

func BenchmarkNewSubject(b *testing.B) {
	s := newStore(b)
	b.ReportAllocs()
	for b.Loop() {
		newSubject(b, s, "demo", privacy.Number{})
	}
}

func BenchmarkRecordingKey(b *testing.B) {
	s := newStore(b)
	d := newDeposit(b, s, "demo", newSubject(b, s, "demo", caller))
	b.ReportAllocs()
	for b.Loop() {
		d.expect(b, s, nil)
	}
}

func BenchmarkSealField(b *testing.B) {
	s := newStore(b)
	sub := newSubject(b, s, "demo", caller)
	number := []byte(caller.Reveal())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.SealField("demo", sub, number); err != nil {
			b.Fatal(err)
		}
	}
}
