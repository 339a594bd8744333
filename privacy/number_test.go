package privacy

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"
	"unicode"

	"pgregory.net/rapid"
)

func TestMask(t *testing.T) {
	for _, c := range []struct{ number, want string }{
		{"", "anonymous"},
		{"+4721000012", "+47*****12"},
		{"+12025550123", "+12*****23"},
		{"+12345678", "+12*****78"},
		{"+1234567", "*****"},    // seven digits: four would be most of it
		{"+112", "*****"},        //
		{"4721000012", "*****"},  // not E.164
		{"+47210000x2", "*****"}, // not digits
		{"Kari Nordmann", "*****"},
		{"+47２１００００１２", "*****"}, // full-width digits
		{"+", "*****"},
	} {
		if got := E164(c.number).String(); got != c.want {
			t.Errorf("E164(%q) shows %q, want %q", c.number, got, c.want)
		}
	}
}

func TestRevealAndEquality(t *testing.T) {
	n := E164("+4721000012")
	if n.Reveal() != "+4721000012" || n.IsZero() {
		t.Error("a number does not come back")
	}
	if n != E164(strings.Clone("+4721000012")) || n == E164("+4721000013") {
		t.Error("== does not compare the digits")
	}
	if zero := E164(""); zero != (Number{}) || zero.Reveal() != "" || !zero.IsZero() {
		t.Error("an empty string is not the withheld number")
	}
	if m := map[Number]int{n: 1}; m[E164("+4721000012")] != 1 {
		t.Error("not usable as a key of a map")
	}
}

// secret holds a number where fmt can only reach it by reflection.
type secret struct {
	n Number
	p *Number
	s []Number
	m map[string]Number
	a any
}

// shown holds it where encoders find it.
type shown struct {
	N Number
	P *Number
	S []Number
	M map[string]Number
	K map[Number]int
	A any
}

// embedded gets all methods of the number.
type embedded struct{ Number }

func holders(n Number) []any {
	in := secret{n, &n, []Number{n}, map[string]Number{"k": n}, n}
	out := shown{n, &n, []Number{n}, map[string]Number{"k": n}, map[Number]int{n: 1}, n}
	return []any{n, &n, in, &in, out, &out, []any{n, in}, [1]Number{n}, map[Number]Number{n: n}, embedded{n}}
}

// waysOut prints n in every way we could think of.
func waysOut(n Number) []string {
	var out []string
	for _, h := range holders(n) {
		for verb := rune('A'); verb <= 'z'; verb++ {
			if !unicode.IsLetter(verb) || verb == 'T' {
				continue
			}
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "20", ".3", "-20.9", "+#"} {
				out = append(out, fmt.Sprintf("%"+flags+string(verb), h))
			}
		}
		// In variables, as vet would rightly refuse them: an argument too many, a
		// number as width, one by index, something that is no error.
		for _, format := range []string{"no verb", "%*d", "%[1]v %[1]d", "%.*f", "call: %w"} {
			out = append(out, fmt.Sprintf(format, h), fmt.Errorf(format, h).Error())
		}
		out = append(out, fmt.Sprint(h), fmt.Sprintln(h), fmt.Errorf("call from %v: %w", h, errors.ErrUnsupported).Error())
		out = append(out, encodings(h)...)
		out = append(out, logs(h)...)
	}
	out = append(out, n.String())
	return out
}

func encodings(h any) []string {
	var out []string
	js, err := json.Marshal(h)
	out = append(out, string(js), fmt.Sprint(err))
	js, err = json.MarshalIndent(map[string]any{"x": h}, "", " ")
	out = append(out, string(js), fmt.Sprint(err))
	xm, err := xml.Marshal(h)
	out = append(out, string(xm), fmt.Sprint(err))
	var b bytes.Buffer
	err = gob.NewEncoder(&b).Encode(h)
	out = append(out, b.String(), fmt.Sprint(err))
	var page bytes.Buffer
	err = template.Must(template.New("").Parse("{{.}} {{printf `%d` .}}")).Execute(&page, h)
	return append(out, page.String(), fmt.Sprint(err))
}

func logs(h any) []string {
	var out []string
	var b bytes.Buffer
	opts := &slog.HandlerOptions{Level: slog.LevelDebug}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&b, opts), slog.NewTextHandler(&b, opts)} {
		b.Reset()
		log := slog.New(handler).With("early", h).WithGroup("g")
		// LogAttrs and Log differ in how they meet the value.
		log.LogAttrs(context.Background(), slog.LevelInfo, "m", slog.Any("x", h), slog.Group("in", "y", h))
		log.Info("m", "x", h, "err", fmt.Errorf("no route for %v", h))
		out = append(out, dropTime(b.String()))
	}
	return out
}

// dropTime cuts the time off the lines of a log, which is digits too.
func dropTime(s string) string {
	var keep []string
	for line := range strings.Lines(s) {
		if i := strings.Index(line, "level"); i >= 0 {
			line = line[i:]
		}
		keep = append(keep, line)
	}
	return strings.Join(keep, "")
}

func TestNoWayOutShowsTheNumber(t *testing.T) {
	const number = "+4791827364"
	// Eight digits each: less could be part of an address.
	leaks := []string{"47918273", "79182736", "91827364"}
	leaks = append(leaks, fmt.Sprintf("%x", number[3:]), fmt.Sprintf("%X", number[3:]))
	for _, out := range waysOut(E164(number)) {
		for _, inner := range leaks {
			if strings.Contains(out, inner) {
				t.Errorf("%q is in %q", inner, out)
			}
		}
	}
}

func TestMaskedFormGetsOut(t *testing.T) {
	n := E164("+4791827364")
	const masked = "+47*****64"
	js, err := json.Marshal(shown{N: n, K: map[Number]int{n: 1}})
	if err != nil || strings.Count(string(js), masked) != 2 {
		t.Errorf("JSON: %s, %v", js, err)
	}
	for format, want := range map[string]string{
		"%v": masked, "%d": masked, "%x": masked, "%#v": masked, "%+v": masked, "%s": masked,
		"%q": `"` + masked + `"`, "%12s|": "  " + masked + "|", "%-12s|": masked + "  |",
	} {
		if got := fmt.Sprintf(format, n); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "from", n)
	if !strings.Contains(b.String(), "from="+masked) {
		t.Errorf("log: %s", b.String())
	}
	//lint:ignore SA9005 that it cannot be decoded is what is tested
	if err := json.Unmarshal([]byte(`"+4791827364"`), &n); err == nil {
		t.Error("a decoder reads a number")
	}
}

// A number of any length, right or wrong, shows at most its first two and last
// two digits.
func TestAtMostFourDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`\+[0-9]{0,18}`),
			rapid.StringMatching(`[0-9+]{1,12}`),
			rapid.String(),
		).Draw(t, "number")
		n := E164(s)
		for _, out := range []string{n.String(), fmt.Sprintf("%v", n), fmt.Sprintf("%x", n), fmt.Sprintf("%#v", n)} {
			digits := 0
			for _, c := range out {
				if unicode.IsDigit(c) {
					digits++
				}
			}
			if digits > 4 {
				t.Fatalf("%d digits of %q in %q", digits, s, out)
			}
			if digits > 0 && len(s) < 1+shortest {
				t.Fatalf("%q shows digits of the short number %q", out, s)
			}
			if len(s) > 4 && strings.Contains(out, s) {
				t.Fatalf("%q shows all of %q", out, s)
			}
		}
		if n.Reveal() != s {
			t.Fatalf("%q comes back as %q", s, n.Reveal())
		}
	})
}
