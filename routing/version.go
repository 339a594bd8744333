package routing

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/bits"
)

// digest is a SHA-256.
type digest = [sha256.Size]byte

// total is the sum of the digests of many rows, modulo 2^256: the same in
// whatever order they are added, and a row is taken away again by subtracting
// it. Rows that were chosen to add up to the same are easier to find than two
// that collide, but far harder than two versions whose short form is the same,
// which is all that is ever compared; two sets that differ by accident meet as
// often as two random digests do. A version tells tables apart, it does not
// authenticate one.
type total [4]uint64

func (t *total) add(d digest) {
	var carry uint64
	for i := range t {
		t[i], carry = bits.Add64(t[i], binary.LittleEndian.Uint64(d[8*i:]), carry)
	}
}

func (t *total) sub(d digest) {
	var borrow uint64
	for i := range t {
		t[i], borrow = bits.Sub64(t[i], binary.LittleEndian.Uint64(d[8*i:]), borrow)
	}
}

// digest of a row as it was written, which is that of its TrackingNumber: ids
// and not places.
func (t *Table) digest(r *row) digest {
	var buf [512]byte
	b := append(buf[:0], "number 1\n"...)
	for _, n := range [...]uint64{uint64(r.number), uint64(r.from), uint64(r.until), uint64(r.state)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	text := func(s string) {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	text(t.accounts.id(r.account))
	text(t.flows.id(r.flow))
	text(t.pools.id(r.pool))
	if r.more != nil {
		text(r.more.attribution)
		text(r.more.regulatory)
		if r.more.rare != nil {
			b = append(b, r.more.rare.sum[:]...)
		}
	}
	return sha256.Sum256(b)
}

// versionOf is the short hash of everything: what is not numbers, hashed whole,
// and the numbers' total. The prefix keeps versions of other forms apart.
func versionOf(rest digest, numbers total) string {
	b := append([]byte("ringdown routing 2\n"), rest[:]...)
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

// hashed is the digest of plain data; the kind keeps those of other things apart.
func hashed(kind string, v any) digest {
	hash := sha256.New()
	hash.Write([]byte(kind + "\n"))
	if err := json.NewEncoder(hash).Encode(v); err != nil {
		panic("routing: a Spec is plain data: " + err.Error())
	}
	return digest(hash.Sum(nil))
}
