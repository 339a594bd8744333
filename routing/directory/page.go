package directory

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"strings"
)

// Pages is over how many pages the objects of a table are spread: with a million
// numbers each holds about 1,300 of them, 20 to 40 KB packed and sealed. A
// change of one number writes one of them; all of them are read in a second.
const Pages = 768

// maxPage bounds what a page may unfold to.
const maxPage = 64 << 20

var errPage = errors.New("page does not read as one")

// place is the page of an object; all validities of a number lie together. Where
// it lies is told by the head, which is sealed, so that it needs no key.
func (k key) place() int {
	id := k.id
	if k.kind == numbers {
		id, _, _ = strings.Cut(id, "@")
	}
	h := fnv.New64a()
	io.WriteString(h, k.kind)
	h.Write([]byte{0})
	io.WriteString(h, id)
	// The low bits of FNV alone spread numbers that follow each other badly.
	sum := h.Sum64()
	return int((sum ^ sum>>32) % Pages)
}

// packPage writes sorted objects; nothing for none.
func packPage(all []object) []byte {
	if len(all) == 0 {
		return nil
	}
	var out []byte
	text := func(s string) { out = append(binary.AppendUvarint(out, uint64(len(s))), s...) }
	for _, o := range all {
		text(o.kind)
		text(o.id)
		text(string(o.body))
	}
	return out
}

// unpackPage is the way back. It takes what is in order and in its place only:
// an object that stood twice would be two truths.
func unpackPage(in []byte, place int) ([]object, error) {
	var all []object
	var broken bool
	text := func() []byte {
		n, size := binary.Uvarint(in)
		if size <= 0 || n > uint64(len(in)-size) {
			broken = true
			return nil
		}
		s := in[size : size+int(n)]
		in = in[size+int(n):]
		return s
	}
	kind := "" // of one page most are of one kind: its name is kept once
	for len(in) > 0 {
		if b := text(); string(b) != kind {
			kind = string(b)
		}
		o := object{kind: kind, id: string(text()), body: text()}
		if broken || len(all) > 0 && compareKeys(all[len(all)-1].key(), o.key()) >= 0 || o.key().place() != place {
			return nil, errPage
		}
		all = append(all, o)
	}
	return all, nil
}

// deflate packs text; numbers that follow each other are small beside each other.
func deflate(text []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("directory: writing to memory failed: " + err.Error())
	}
	return out.Bytes()
}

func inflate(packed []byte) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxPage+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxPage:
		return nil, errPage
	}
	return text, nil
}
