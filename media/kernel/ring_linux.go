package kernel

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ring reads a BPF ring buffer: a page with the reader's position, one with the
// writer's, then the data, mapped twice in a row so that no record is in two
// pieces. One reader at a time.
type ring struct {
	reader, writer *uint64
	data           []byte
	mask           uint64
	maps           [2][]byte
}

func openRing(m *ebpf.Map) (*ring, error) {
	page, size := os.Getpagesize(), int(m.MaxEntries())
	own, err := unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the ring of copies: %w", err)
	}
	theirs, err := unix.Mmap(m.FD(), int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		unix.Munmap(own)
		return nil, fmt.Errorf("map the ring of copies: %w", err)
	}
	return &ring{
		reader: (*uint64)(unsafe.Pointer(&own[0])),
		writer: (*uint64)(unsafe.Pointer(&theirs[0])),
		data:   theirs[page:], mask: uint64(size - 1),
		maps: [2][]byte{own, theirs},
	}, nil
}

// Bits of a record's length.
const (
	ringBusy    = 1 << 31 // it is still being written
	ringDiscard = 1 << 30
	ringHeader  = 8
)

// drain hands over the records that were there when it began; whole is false when
// one of them is still being written, which holds up those behind it. The bytes
// are the ring's own until each returns.
func (r *ring) drain(each func(record []byte)) (whole bool) {
	at, end := atomic.LoadUint64(r.reader), atomic.LoadUint64(r.writer)
	for at < end {
		offset := at & r.mask
		head := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[offset])))
		if head&ringBusy != 0 {
			return false
		}
		length := uint64(head &^ (ringBusy | ringDiscard))
		if head&ringDiscard == 0 {
			each(r.data[offset+ringHeader : offset+ringHeader+length])
		}
		at += (length + ringHeader + 7) &^ 7
		atomic.StoreUint64(r.reader, at)
	}
	return true
}

func (r *ring) close() {
	for _, m := range r.maps {
		unix.Munmap(m)
	}
}
