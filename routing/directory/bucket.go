package directory

import (
	"context"
	"errors"
)

// bucket is the key-value bucket as the directory needs it: pages, each under
// the name of what is in it and never changed, and one head, which is swapped.
// [store] is the one in JetStream; tests put faults in between.
type bucket interface {
	// ready makes sure of the bucket and says which it is: another one of the
	// same name has another id.
	ready(ctx context.Context) (id string, err error)
	// head returns the head and its number, which grows with each write of it;
	// number 0 and no value when there is none.
	head(ctx context.Context) (entry, error)
	// swap writes the head if its number is still expect. errMoved: it is not.
	swap(ctx context.Context, value []byte, expect uint64) (seq uint64, err error)
	// page returns a page; errNoPage when it is not there.
	page(ctx context.Context, name string) ([]byte, error)
	// put writes pages. Those that are there already are written again.
	put(ctx context.Context, pages []page) error
	// watch calls f for each head that is written after number since, until ctx
	// ends or the watch breaks.
	watch(ctx context.Context, since uint64, f func(entry)) error
	// heads calls f for the heads that the bucket still has, the oldest first.
	heads(ctx context.Context, f func(entry)) error
	// sweep takes pages away that are not in keep and were written before a head.
	sweep(ctx context.Context, keep map[string]bool, before uint64) error
}

// entry is a head as it stands in the bucket. One that somebody deleted has a
// number and no value.
type entry struct {
	seq   uint64
	value []byte
}

var (
	errMoved  = errors.New("directory: head stands elsewhere than expected")
	errNoPage = errors.New("page is not in the bucket")
)
