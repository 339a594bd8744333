package keys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// kind says what a row of a journal holds.
type kind byte

// Rows of the journal, with their fields. Keys are wrapped, everything else is
// an id.
const (
	rowEpoch     kind = iota + 1 // region, epoch, created (Unix), wrapped check value
	rowAccount                   // account, wrapped account key, wrapped index key
	rowSubject                   // account, subject, wrapped subject key, wrapped index token or nothing
	rowRecording                 // ref, account, subject, recording, wrapped recording key
	rowSecret                    // name, wrapped secret
	rowSigner                    // key id, wrapped seed
)

// Rows of the list of what was erased.
const (
	rowErasedRecording kind = iota + 16 // ref
	rowErasedSubject                    // account, subject
)

// fieldsOf is how many fields a row of a kind has.
var fieldsOf = map[kind]int{
	rowEpoch: 4, rowAccount: 3, rowSubject: 4, rowRecording: 5, rowSecret: 2, rowSigner: 2,
	rowErasedRecording: 1, rowErasedSubject: 2,
}

type row struct {
	kind   kind
	fields [][]byte
}

func newRow(k kind, fields ...[]byte) row { return row{k, fields} }

func (r row) text(i int) string { return string(r.fields[i]) }

// append writes a row: kind 1 | fields, each with its length in two bytes.
func (r row) append(dst []byte) []byte {
	dst = append(dst, byte(r.kind))
	for _, f := range r.fields {
		if len(f) > math.MaxUint16 {
			panic("keys: internal error: a field of a row is too long")
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(f)))
		dst = append(dst, f...)
	}
	return dst
}

var errRow = errors.New("row cut short")

// readRow reads one row from b and returns what follows it. The fields are part of b.
func readRow(b []byte) (row, []byte, error) {
	r := row{kind: kind(b[0])}
	count, ok := fieldsOf[r.kind]
	if !ok {
		return row{}, nil, fmt.Errorf("row of kind %d: written by a newer version", r.kind)
	}
	b = b[1:]
	for range count {
		if len(b) < 2 {
			return row{}, nil, errRow
		}
		n := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; len(b) < n {
			return row{}, nil, errRow
		}
		r.fields = append(r.fields, b[:n:n])
		b = b[n:]
	}
	return r, b, nil
}
