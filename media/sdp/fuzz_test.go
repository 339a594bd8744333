package sdp

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func seeds(f *testing.F) [][]byte {
	files, err := filepath.Glob("testdata/corpus/*.sdp")
	if err != nil || len(files) == 0 {
		f.Fatalf("no corpus: %v", err)
	}
	var all [][]byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// FuzzParse: what parses can be written, and means the same when read again;
// our offer and our answer made from it hold what check asks of them.
func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := Parse(in)
		if err != nil {
			return
		}
		once := d.Bytes()
		if len(once) <= MaxBytes {
			again, err := Parse(once)
			if err != nil {
				t.Fatalf("written and read: %v\n%q", err, once)
			}
			if !bytes.Equal(once, again.Bytes()) {
				t.Fatalf("%q\nbecame\n%q", once, again.Bytes())
			}
		}
		if d.Acceptable() != nil {
			return
		}
		offer, err := d.Offer(us)
		if err != nil {
			return
		}
		ours := check(t, d, offer)
		if ours.Direction() != d.Direction() {
			t.Errorf("direction %v became %v", d.Direction(), ours.Direction())
		}
		if len(ours.Formats()) != len(d.Formats()) {
			t.Errorf("formats %+v became %+v", d.Formats(), ours.Formats())
		}
		if _, err := Answer(d, ours, us); err != nil && d.voiced() {
			t.Errorf("the same description is no answer to itself: %v", err)
		}
	})
}

func (d *Description) voiced() bool {
	for _, pt := range d.relay.types {
		if d.voice(pt) {
			return true
		}
	}
	return false
}

// FuzzAnswer: any two descriptions give an answer with as many m= lines as the
// offer, or an error.
func FuzzAnswer(f *testing.F) {
	all := seeds(f)
	for i := range all {
		f.Add(all[i], all[(i+1)%len(all)], all[(i+3)%len(all)])
	}
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		offer, err := Parse(a)
		if err != nil {
			return
		}
		answer, err := Parse(b)
		if err != nil {
			return
		}
		if text, err := Answer(offer, answer, us); err == nil {
			if ours := check(t, answer, text); len(ours.sections) != len(offer.sections) {
				t.Errorf("%d m= lines answer %d", len(ours.sections), len(offer.sections))
			}
		}
		again, err := Parse(c)
		if err != nil {
			return
		}
		if text, err := Reanswer(again, offer, answer, us); err == nil {
			check(t, answer, text)
		}
	})
}

// FuzzRenew: a new offer has as many m= lines as the party knows of, a new
// answer as many as the offer, whoever they speak for; and what was taken for an
// answer has a codec of the other side.
func FuzzRenew(f *testing.F) {
	all := seeds(f)
	for i := range all {
		f.Add(all[i], all[(i+1)%len(all)])
	}
	f.Add([]byte("m=audio 0 RTP/AVP 8\r\n"), all[0])
	f.Fuzz(func(t *testing.T, a, b []byte) {
		one, err := Parse(a)
		if err != nil {
			return
		}
		other, err := Parse(b)
		if err != nil {
			return
		}
		if text, err := Renew(one, other, us); err == nil {
			if ours := check(t, one, text); len(ours.sections) != len(other.sections) || ours.Direction() != SendRecv {
				t.Errorf("%d m= lines for a party with %d, %v", len(ours.sections), len(other.sections), ours.Direction())
			}
		}
		if text, err := Accept(one, other, us); err == nil {
			if ours := check(t, other, text); len(ours.sections) != len(one.sections) || ours.Direction() != one.Direction().Reverse() {
				t.Errorf("%d m= lines answer %d, %v answers %v", len(ours.sections), len(one.sections), ours.Direction(), one.Direction())
			}
			if _, err := Take(other, one); err != nil {
				t.Errorf("an answer that was given on is not taken: %v", err)
			}
		}
		if !one.Dropped() {
			return
		}
		text, err := one.Drop(us)
		if err != nil {
			return
		}
		if ours, err := Parse(text); err != nil || len(ours.sections) != len(one.sections) || !ours.Dropped() {
			t.Errorf("%v answers a description without audio:\n%s", err, text)
		}
	})
}
