package keys

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"ringdown/privacy/seal"
)

// tree is the key tree as the journal holds it: every key in it is wrapped. The
// whole tree belongs to one epoch; a rotation makes a new one.
type tree struct {
	region     string
	epoch      uint32
	created    time.Time // when the epoch began
	check      []byte    // a value wrapped by the root, to know it by
	accounts   map[string]*account
	recordings map[string]recording // by ref
	secrets    map[string][]byte    // by name
	signers    map[string][]byte    // by key id
}

type account struct {
	id       string
	key      []byte // wrapped by the epoch root
	index    []byte // wrapped by the account key
	subjects map[string]subject

	open *openAccount // in the clear, for a while
}

type subject struct {
	key   []byte // wrapped by the account key
	token []byte // look-up token of the number, wrapped by the account key; empty: withheld
	row   uint64 // to wait for in the journal
}

type recording struct {
	account, subject, recording string

	key []byte // wrapped by a key of subject and account
}

// openAccount is what an account's keys give, in the clear.
type openAccount struct {
	until    time.Time
	key      []byte
	index    []byte           // key of the look-up tokens
	subjects map[token]string // ids
}

// token is HMAC-SHA-256 of a number under the account's index key. It is stored
// wrapped: a plain keyed hash in an old copy of the journal could still be
// matched by whoever has the index key today.
type token [sha256.Size]byte

func newTree(region string, epoch uint32, created time.Time) *tree {
	return &tree{
		region: region, epoch: epoch, created: created,
		accounts: map[string]*account{}, recordings: map[string]recording{},
		secrets: map[string][]byte{}, signers: map[string][]byte{},
	}
}

// What is wrapped, as the last part of its binding.
const (
	kindCheck     = "check"
	kindAccount   = "account"
	kindIndex     = "index"
	kindSubject   = "subject"
	kindToken     = "token"
	kindRecording = "recording"
	kindSecret    = "secret"
	kindSigner    = "signer"
)

// root is the parent of what the epoch root wraps.
const root = "root"

// binding is the associated data of a wrapped key: it opens in the place it was
// made for and nowhere else.
func (t *tree) binding(account, parent, child, kind string) []byte {
	version := binary.BigEndian.AppendUint32(nil, t.epoch)
	return join("wrap/v1", t.region, account, parent, string(version), child, kind)
}

// join puts strings behind each other so that no two lists look the same.
func join(parts ...string) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

func newKey() []byte {
	key := make([]byte, seal.KeySize)
	rand.Read(key)
	return key
}

// newID returns 128 random bits with a prefix.
func newID(prefix string) string {
	var b [16]byte
	rand.Read(b[:])
	return prefix + crockford().EncodeToString(b[:])
}

func crockford() *base32.Encoding {
	return base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)
}

// derive makes a key for one purpose out of another.
func derive(key []byte, purpose string) ([]byte, error) {
	return hkdf.Expand(sha512.New384, key, purpose, seal.KeySize)
}

// fieldKey encrypts what events say about a caller. It lives as long as the
// subject key, over all epochs, as events cannot be changed.
func fieldKey(subjectKey []byte) ([]byte, error) { return derive(subjectKey, "event-fields/v1") }

// recordingWrapKey wraps the keys of a caller's recordings. It needs the subject
// key, so that erasing the caller erases his recordings, and the account key of
// the epoch: the subject key outlives the epoch, and without the second an
// erased recording could be opened from an old copy of the journal.
func recordingWrapKey(accountKey, subjectKey []byte) ([]byte, error) {
	return hkdf.Key(sha512.New384, subjectKey, accountKey, "recording-wrap/v1", seal.KeySize)
}

func tokenOf(indexKey []byte, number string) (t token) {
	mac := hmac.New(sha256.New, indexKey)
	mac.Write([]byte(number))
	mac.Sum(t[:0])
	return t
}

// load builds the tree from the rows of a journal. Rows that the erased list
// names are left out and counted.
func load(rows []row, gone *erased) (t *tree, dropped int, err error) {
	if len(rows) == 0 || rows[0].kind != rowEpoch || len(rows[0].fields[1]) != 4 || len(rows[0].fields[2]) != 8 {
		return nil, 0, fmt.Errorf("no epoch: %w", ErrDamaged)
	}
	first := rows[0]
	created := time.Unix(int64(binary.BigEndian.Uint64(first.fields[2])), 0).UTC()
	t = newTree(first.text(0), binary.BigEndian.Uint32(first.fields[1]), created)
	t.check = first.fields[3]
	for i, r := range rows[1:] {
		ok, err := t.put(r, gone)
		if err != nil {
			return nil, 0, fmt.Errorf("row %d: %w", i+1, err)
		}
		if !ok {
			dropped++
		}
	}
	return t, dropped, nil
}

// put adds what a row says, unless it was erased.
func (t *tree) put(r row, gone *erased) (bool, error) {
	switch r.kind {
	case rowAccount:
		t.accounts[r.text(0)] = &account{id: r.text(0), key: r.fields[1], index: r.fields[2], subjects: map[string]subject{}}
	case rowSubject:
		a := t.accounts[r.text(0)]
		if a == nil {
			return false, fmt.Errorf("subject without its account: %w", ErrDamaged)
		}
		if gone.subjects[subjectID{r.text(0), r.text(1)}] {
			return false, nil
		}
		a.subjects[r.text(1)] = subject{key: r.fields[2], token: r.fields[3]}
	case rowRecording:
		if gone.recordings[r.text(0)] || gone.subjects[subjectID{r.text(1), r.text(2)}] {
			return false, nil
		}
		t.recordings[r.text(0)] = recording{r.text(1), r.text(2), r.text(3), r.fields[4]}
	case rowSecret:
		t.secrets[r.text(0)] = r.fields[1]
	case rowSigner:
		t.signers[r.text(0)] = r.fields[1]
	default:
		return false, fmt.Errorf("kind %d has no place here: %w", r.kind, ErrDamaged)
	}
	return true, nil
}

// rows is the tree as a journal, parents before children, always in one order.
func (t *tree) rows() iter.Seq[row] {
	return func(yield func(row) bool) {
		version := binary.BigEndian.AppendUint32(nil, t.epoch)
		created := binary.BigEndian.AppendUint64(nil, uint64(t.created.Unix()))
		if !yield(newRow(rowEpoch, []byte(t.region), version, created, t.check)) {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(t.secrets)) {
			if !yield(newRow(rowSecret, []byte(name), t.secrets[name])) {
				return
			}
		}
		for _, id := range slices.Sorted(maps.Keys(t.signers)) {
			if !yield(newRow(rowSigner, []byte(id), t.signers[id])) {
				return
			}
		}
		for _, id := range slices.Sorted(maps.Keys(t.accounts)) {
			a := t.accounts[id]
			if !yield(a.asRow()) {
				return
			}
			for _, s := range slices.Sorted(maps.Keys(a.subjects)) {
				if !yield(a.subjects[s].asRow(id, s)) {
					return
				}
			}
		}
		for _, ref := range slices.Sorted(maps.Keys(t.recordings)) {
			if !yield(t.recordings[ref].asRow(ref)) {
				return
			}
		}
	}
}

func (a *account) asRow() row { return newRow(rowAccount, []byte(a.id), a.key, a.index) }

func (s subject) asRow(account, id string) row {
	return newRow(rowSubject, []byte(account), []byte(id), s.key, s.token)
}

func (r recording) asRow(ref string) row {
	return newRow(rowRecording, []byte(ref), []byte(r.account), []byte(r.subject), []byte(r.recording), r.key)
}
