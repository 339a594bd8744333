package media

import (
	"fmt"
	"testing"
)

func TestKeys(t *testing.T) {
	const all = "0123456789*#ABCD"
	digits, err := ParseKeys(all)
	if err != nil || len(digits) != 16 {
		t.Fatal(digits, err)
	}
	for i, d := range digits {
		if c, ok := d.Key(); !ok || c != all[i] || d.Class() != KeyEvent || int(d) != i {
			t.Errorf("key %d reads back as %q", i, c)
		}
		if s := fmt.Sprintf("%v %s", d, d); s != "key key" {
			t.Errorf("a key prints as %q", s)
		}
	}
	if d, err := ParseKeys("abcd"); err != nil || d[3] != KeyD {
		t.Errorf("small letters: %v", err)
	}
	for _, bad := range []string{"12e", "+1", "1 2"} {
		if _, err := ParseKeys(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestClasses(t *testing.T) {
	for d, want := range map[Digit]string{0: "key", Star: "key", KeyD: "key", Flash: "flash", 17: "other", CED: "fax", ANSam: "fax", CNG: "fax", V21: "fax", 40: "fax", 41: "other", 255: "other"} {
		if got := d.Class().String(); got != want {
			t.Errorf("event %d is of class %q, want %q", uint8(d), got, want)
		}
		if _, key := d.Key(); key != (want == "key") {
			t.Errorf("event %d is a key: %v", uint8(d), key)
		}
	}
}

func TestWays(t *testing.T) {
	for w, want := range map[Way]string{ByEvent: "rfc4733", BySound: "inband", ByInfo: "info", 0: "unknown", ByEvent | ByInfo: "unknown"} {
		if w.String() != want {
			t.Errorf("way %d is %q, want %q", w, w, want)
		}
	}
	var t0 DigitTerms
	if !t0.Hears(ByEvent) || !t0.Hears(ByInfo) || t0.Hears(BySound) {
		t.Error("nothing said: events and INFO count, tones do not")
	}
	if t1 := (DigitTerms{Hear: BySound}); t1.Hears(ByEvent) || !t1.Hears(BySound) {
		t.Error("only tones are to count")
	}
	for s, want := range map[Suppression]string{PassDigits: "pass", DropDigits: "drop", SilenceDigits: "silence", ToneDigits: "tone", 9: "unknown"} {
		if s.String() != want {
			t.Errorf("suppression %d is %q, want %q", s, s, want)
		}
	}
}
