package recorder

import "io"

// Store keeps the files of recordings under their names, which are paths
// without an ending; see package store for what each method promises.
// recorder/store/storetest is the suite that every one has to pass.
type Store interface {
	// Create makes the file of a new part; its entry is durable on return.
	Create(name string) (StoreFile, error)
	// Resume opens an unfinished part to go on with it, cut to size first.
	Resume(name string, size int64) (StoreFile, error)
	// Finish says that a part is whole.
	Finish(name string) error
	// Open reads a part, finished or not.
	Open(name string) (StoreReader, error)
	// Remove takes an unfinished part away.
	Remove(name string) error
	// PutManifest writes a part's manifest: whole and durable, or not at all.
	PutManifest(name string, b []byte) error
	Manifest(name string) ([]byte, error)
	// Walk visits all files below a folder, sorted: the name, and the ending
	// ".part", ".ctr" or ".json".
	Walk(folder string, visit func(name, ending string) error) error
	// Folders lists the folders directly below a folder, sorted.
	Folders(folder string) ([]string, error)
}

// StoreFile is a part that grows. It is an alias, so that a store need not
// import this package.
type StoreFile = interface {
	io.Writer
	io.Closer
	Sync() error
}

// StoreReader reads a part at any place.
type StoreReader = interface {
	io.ReaderAt
	io.Closer
	Size() int64
}
