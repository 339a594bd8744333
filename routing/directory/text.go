package directory

import (
	"io"
	"reflect"

	"ringdown/routing"
)

// Text reads and writes changes and numbers as JSON, for who speaks to others.
// Its methods may be called from any goroutine.
type Text struct{ schema *schema }

// NewText makes one; reveal is that of [Deps].
func NewText(reveal func(reference string) (secret, msg string)) (*Text, error) {
	s, err := newSchema()
	if err != nil {
		return nil, err
	}
	s.reveal = reveal
	return &Text{s}, nil
}

// Change reads a change. Everything that does not fit is told, with its path.
func (t *Text) Change(text []byte) (c Change, faults []routing.Fault) {
	return c, t.schema.decode(text, reflect.ValueOf(&c).Elem())
}

// Append writes a change behind dst.
func (t *Text) Append(dst []byte, c Change) []byte { return t.schema.append(dst, reflect.ValueOf(c)) }

// Number writes a tracking number as the configuration has it.
func (t *Text) Number(n routing.TrackingNumber) []byte {
	return t.schema.append(nil, reflect.ValueOf(n))
}

// Fixed is the table of a configuration file, to be looked at like a directory.
type Fixed struct {
	schema *schema
	ring   *keyring
	all    *snapshot
}

// NewFixed takes the Spec of a file. The key is only for marks.
func NewFixed(spec routing.Spec, key []byte) (*Fixed, error) {
	f := &Fixed{}
	var err error
	if f.schema, err = newSchema(); err != nil {
		return nil, err
	}
	if f.ring, err = newKeyring(key); err != nil {
		return nil, err
	}
	objects, faults := f.schema.objects(&spec, "")
	if len(faults) > 0 {
		return nil, Invalid(faults)
	}
	f.all, _, _, err = f.ring.with(nothing(), delta{put: objects}, false)
	return f, err
}

// Numbers is [Directory.Numbers].
func (f *Fixed) Numbers(filter NumberFilter) (page []routing.TrackingNumber, mark string, err error) {
	return f.ring.numbers(f.schema, f.all, filter)
}

// Counts are the objects by section.
func (f *Fixed) Counts() map[string]int { return f.all.head.Counts }

// Export is [Directory.Export].
func (f *Fixed) Export(w io.Writer) error { return f.ring.export(f.schema, f.all, w) }

// Spec reads sections of a table, as [Directory.Export] writes them.
func (t *Text) Spec(text []byte) (s routing.Spec, faults []routing.Fault) {
	return s, t.schema.decode(text, reflect.ValueOf(&s).Elem())
}

// Counts are the objects of a Spec by section.
func (t *Text) Counts(s routing.Spec) map[string]int {
	counts := map[string]int{}
	all, _ := t.schema.objects(&s, "")
	for _, o := range all {
		counts[o.kind]++
	}
	return counts
}

// Compare counts how one Spec differs from another, by section.
func (t *Text) Compare(before, after routing.Spec) (c Changes) {
	old := map[key]string{}
	was, _ := t.schema.objects(&before, "")
	for _, o := range was {
		old[o.key()] = string(o.body)
	}
	is, _ := t.schema.objects(&after, "")
	for _, o := range is {
		body, had := old[o.key()]
		delete(old, o.key())
		switch {
		case !had:
			increase(&c.Added, o.kind, 1)
		case body != string(o.body):
			increase(&c.Changed, o.kind, 1)
		}
	}
	for k := range old {
		increase(&c.Removed, k.kind, 1)
	}
	return c
}
