package directory

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"ringdown/privacy/seal"
	"ringdown/routing"
)

// Commit is one line of the history.
type Commit struct {
	Commit         uint64
	At             time.Time
	Node, By, Note string
	Table          string
	Changed        Changes
}

// History lists the commits that the bucket still has, the newest first. Heads
// that do not open are left out.
func (d *Directory) History(ctx context.Context) (all []Commit, err error) {
	if _, err := d.bucket.ready(ctx); err != nil {
		return nil, errors.Join(ErrUnavailable, err)
	}
	err = d.bucket.heads(ctx, func(e entry) {
		if h, err := d.ring.readHead(e.value); err == nil {
			all = append(all, Commit{h.Commit, h.At, h.Node, h.By, h.Note, h.Table, h.Changed})
		}
	})
	if err != nil {
		return nil, errors.Join(ErrUnavailable, err)
	}
	slices.Reverse(all)
	return all, nil
}

// NumberFilter takes numbers; an empty field takes all.
type NumberFilter struct {
	Account, Flow, State string
	After                string // mark of the page before
	Limit                int    // at least 1
}

// ErrMark refuses a mark that was not given here.
var ErrMark = errors.New("directory: not a mark of a page before")

// numbers is the section that tracking numbers stand in.
const numbers = "numbers"

// Numbers lists tracking numbers. The mark leads to the next page and holds the
// last number sealed; it is empty on the last page. Numbers stand in an order of
// their own, which stays over changes: a page goes on behind the last one
// whatever has changed meanwhile.
func (d *Directory) Numbers(f NumberFilter) (page []routing.TrackingNumber, mark string, err error) {
	now := d.now.Load()
	if now == nil {
		return nil, "", nil
	}
	return d.ring.numbers(d.schema, &now.snapshot, f)
}

func (k *keyring) numbers(s *schema, of *snapshot, f NumberFilter) (page []routing.TrackingNumber, mark string, err error) {
	after, err := k.readMark(f.After)
	if err != nil {
		return nil, "", err
	}
	first := 0
	if after != "" {
		first = (key{numbers, after}).place()
	}
	last := ""
	for i := first; i < Pages; i++ {
		all, err := k.objects(of, i)
		if err != nil {
			return nil, "", err
		}
		for _, o := range all {
			if o.kind != numbers || i == first && strings.Compare(o.id, after) <= 0 {
				continue
			}
			var n routing.TrackingNumber
			if err := s.number(&n, o); err != nil {
				return nil, "", err
			}
			if !f.takes(n) {
				continue
			}
			if len(page) == f.Limit {
				mark, err = k.mark(last)
				return page, mark, err
			}
			page, last = append(page, n), o.id
		}
	}
	return page, "", nil
}

func (f NumberFilter) takes(n routing.TrackingNumber) bool {
	state := n.State
	if state == "" {
		state = routing.Active
	}
	return (f.Account == "" || f.Account == n.Account) && (f.Flow == "" || f.Flow == n.Flow) && (f.State == "" || f.State == state)
}

const markPlace = "mark"

// mark seals an id, so that no number stands in a URL.
func (k *keyring) mark(id string) (string, error) {
	box, err := seal.Box(k.marks, aad(markPlace), []byte(id))
	return base64.RawURLEncoding.EncodeToString(box), err
}

func (k *keyring) readMark(mark string) (string, error) {
	if mark == "" {
		return "", nil
	}
	box, err := base64.RawURLEncoding.DecodeString(mark)
	if err != nil {
		return "", ErrMark
	}
	id, err := seal.OpenBox(k.marks, aad(markPlace), box)
	if err != nil {
		return "", ErrMark
	}
	return string(id), nil
}

// Export writes the table in effect, without what stands in the node's own file,
// as JSON that is also the YAML of a configuration file: each section under its
// key, each object on a line. What is in hand at a time is one page.
func (d *Directory) Export(w io.Writer) error {
	now := d.now.Load()
	if now == nil {
		return ErrUnavailable
	}
	return d.ring.export(d.schema, &now.snapshot, w)
}

func (k *keyring) export(s *schema, of *snapshot, w io.Writer) error {
	var out writer
	out.to = w
	out.text("{")
	between := "\n"
	for _, sh := range s.shapes {
		if of.head.Counts[sh.kind] == 0 {
			continue
		}
		open, end := "[", "\n ]"
		switch sh.how {
		case asMap:
			open, end = "{", "\n }"
		case asWhole:
			open, end = "", ""
		}
		out.text(between + ` "` + sh.kind + `": ` + open)
		comma := "\n  "
		for i := range of.pages {
			all, err := k.objects(of, i)
			if err != nil {
				return err
			}
			for _, o := range all {
				if o.kind != sh.kind {
					continue
				}
				if sh.how != asWhole {
					out.text(comma)
					comma = ",\n  "
				}
				if sh.how == asMap {
					out.text(string(appendText(nil, o.id)) + ": ")
				}
				out.text(string(o.body))
			}
		}
		out.text(end)
		between = ",\n"
	}
	out.text("\n}\n")
	return out.err
}

// writer remembers the first error.
type writer struct {
	to  io.Writer
	err error
}

func (w *writer) text(s string) {
	if w.err == nil {
		_, w.err = io.WriteString(w.to, s)
	}
}
