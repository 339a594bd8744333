package digits

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
	"ringdown/media"
)

// pressed runs keys through codes; a space is a pause that ends patience. What
// comes out are the keys that pass and each code in brackets.
func pressed(t testing.TB, codes []string, keys string) string {
	t.Helper()
	c, err := NewCodes(codes)
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	pass := func(all []media.Press) {
		for _, p := range all {
			k, _ := p.Digit.Key()
			s.WriteByte(k)
		}
	}
	now := int64(0)
	for i := range len(keys) {
		now += int64(300 * time.Millisecond)
		if keys[i] == ' ' {
			now += int64(patience)
			continue
		}
		e, _ := media.KeyOf(keys[i])
		freed, done := c.Key(nil, media.Press{Digit: e}, now)
		pass(freed)
		if done >= 0 {
			s.WriteString("[" + codes[done] + "]")
		}
	}
	pass(c.Tick(nil, now+int64(time.Hour)))
	if c.Holds() {
		t.Error("keys are held for ever")
	}
	return s.String()
}

func TestCodes(t *testing.T) {
	codes := []string{"*1", "*2", "##", "*31*"}
	for keys, want := range map[string]string{
		"123": "123", "*1": "[*1]", "5*2": "5[*2]", "**1": "*[*1]", "* 1": "*1", "###": "[##]#",
		"*31*": "[*31*]", "*315": "*315", "*31": "*31", "*3*1": "*3[*1]", "*31##": "*31[##]", "*": "*", "": "",
		"*1*2": "[*1][*2]",
	} {
		if got := pressed(t, codes, keys); got != want {
			t.Errorf("%q is %q, want %q", keys, got, want)
		}
	}
	if got := pressed(t, nil, "*1#"); got != "*1#" {
		t.Errorf("without codes %q", got)
	}
}

// TestCodesLoseNothing: every key passes in its order or is part of a code.
func TestCodesLoseNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keys := rapid.StringMatching(`[*#123 ]{0,30}`).Draw(rt, "keys")
		got := pressed(t, []string{"*1", "*2", "##", "*31*"}, keys)
		if strings.NewReplacer("[", "", "]", "").Replace(got) != strings.ReplaceAll(keys, " ", "") {
			rt.Errorf("%q came out as %q", keys, got)
		}
	})
}

func TestCheckCodes(t *testing.T) {
	for _, bad := range [][]string{{"1"}, {"*"}, {"12"}, {"*1234567"}, {"*x"}, {"*1", "*12"}, {"*1", "*1"}, make([]string, 9)} {
		if CheckCodes(bad) == "" {
			t.Errorf("%q are taken", bad)
		}
		if _, err := NewCodes(bad); err == nil {
			t.Errorf("%q make codes", bad)
		}
	}
	if msg := CheckCodes([]string{"*1", "*2", "#9", "**"}); msg != "" {
		t.Error(msg)
	}
}

func TestOnce(t *testing.T) {
	ms := int64(time.Millisecond)
	type say struct {
		e   media.Digit
		w   media.Way
		at  int64
		new bool
	}
	for name, all := range map[string][]say{
		"three ways":                      {{1, media.ByEvent, 0, true}, {1, media.BySound, 40, false}, {1, media.ByInfo, 300, false}},
		"INFO first":                      {{1, media.ByInfo, 0, true}, {1, media.ByEvent, 10, false}},
		"twice in one way":                {{1, media.ByInfo, 0, true}, {1, media.ByInfo, 200, true}},
		"two presses, INFO behind both":   {{1, media.ByEvent, 0, true}, {1, media.ByEvent, 200, true}, {1, media.ByInfo, 400, false}, {1, media.ByInfo, 600, false}},
		"another key":                     {{1, media.ByEvent, 0, true}, {2, media.ByInfo, 100, true}},
		"too late to be the same":         {{1, media.ByEvent, 0, true}, {1, media.ByInfo, 1600, true}},
		"of two presses one INFO is lost": {{1, media.ByEvent, 0, true}, {1, media.ByEvent, 200, true}, {1, media.ByInfo, 600, false}, {1, media.ByEvent, 700, true}},
	} {
		var o Once
		for i, s := range all {
			if got := o.Fresh(s.e, s.w, s.at*ms); got != s.new {
				t.Errorf("%s: saying %d is new: %v", name, i, got)
			}
		}
	}
	// More presses than are remembered.
	var o Once
	for i := range int64(100) {
		if !o.Fresh(media.Digit(i%10), media.ByEvent, i*100*ms) || i%2 == 0 && o.Fresh(media.Digit(i%10), media.ByInfo, i*100*ms+50*ms) {
			t.Fatalf("press %d", i)
		}
	}
}
