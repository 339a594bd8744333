package seal

import (
	"crypto/sha256"
	"hash"
)

// Tree is the Merkle tree of RFC 6962 section 2.1 over leaves that come one
// after the other. It keeps one hash per level, not the leaves. The zero value
// is the empty tree; it is for one goroutine.
type Tree struct {
	size   uint64
	stack  [][sha256.Size]byte // roots of the complete subtrees, largest first
	hasher hash.Hash
	buf    [1 + sha256.Size]byte // what the hasher reads and writes beside leaves
}

// Prefixes that keep a leaf from passing for a node.
const (
	leafPrefix = 0
	nodePrefix = 1
)

// Add appends a leaf, which is hashed and not kept.
func (t *Tree) Add(leaf []byte) {
	node := t.sum(leafPrefix, leaf, nil)
	// Each 1 at the low end of the old size is a complete subtree to merge with.
	for n := t.size; n&1 == 1; n >>= 1 {
		top := len(t.stack) - 1
		node = t.sum(nodePrefix, t.stack[top][:], node[:])
		t.stack = t.stack[:top]
	}
	t.stack = append(t.stack, node)
	t.size++
}

// Size is the number of leaves.
func (t *Tree) Size() uint64 { return t.size }

// Root is the tree head of the leaves so far; more can be added after it.
func (t *Tree) Root() [sha256.Size]byte {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	root := t.stack[len(t.stack)-1]
	for i := len(t.stack) - 2; i >= 0; i-- {
		root = t.sum(nodePrefix, t.stack[i][:], root[:])
	}
	return root
}

// sum is the hash of a leaf (a alone) or of a node (a and b).
func (t *Tree) sum(prefix byte, a, b []byte) (out [sha256.Size]byte) {
	if t.hasher == nil {
		t.hasher = sha256.New()
	}
	t.hasher.Reset()
	t.buf[0] = prefix
	t.hasher.Write(t.buf[:1])
	t.hasher.Write(a)
	if prefix == nodePrefix {
		copy(t.buf[1:], b)
		t.hasher.Write(t.buf[1:])
	}
	copy(out[:], t.hasher.Sum(t.buf[:0]))
	return out
}
