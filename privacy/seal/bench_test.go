package seal

import "testing"

func BenchmarkSeal(b *testing.B) {
	s, _, err := NewSealer(testKey, testAAD, Segment)
	if err != nil {
		b.Fatal(err)
	}
	plain, out := make([]byte, s.PlaintextSize()), make([]byte, 0, Segment)
	b.SetBytes(Segment)
	b.ReportAllocs()
	for b.Loop() {
		if out, err = s.Seal(out[:0], plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	s, header, err := NewSealer(testKey, testAAD, Segment)
	if err != nil {
		b.Fatal(err)
	}
	segment, err := s.Seal(nil, make([]byte, s.PlaintextSize()))
	if err != nil {
		b.Fatal(err)
	}
	o, err := NewOpener(testKey, testAAD, header)
	if err != nil {
		b.Fatal(err)
	}
	out := make([]byte, 0, Segment)
	b.SetBytes(Segment)
	b.ReportAllocs()
	for b.Loop() {
		if out, err = o.Open(out[:0], 0, segment); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewSealer(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := NewSealer(testKey, testAAD, Segment); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLogAppend600(b *testing.B) {
	w, _, err := NewLogWriter(testKey)
	if err != nil {
		b.Fatal(err)
	}
	record, out := make([]byte, 600), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if out, err = w.Append(out[:0], record); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTreeAdd(b *testing.B) {
	var tree Tree
	leaf := make([]byte, Segment)
	b.SetBytes(Segment)
	b.ReportAllocs()
	for b.Loop() {
		tree.Add(leaf)
	}
}
