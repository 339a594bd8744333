package recorder

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"ringdown/events"
	"ringdown/recorder/format"
)

// Values of a manifest's completion and result.
const (
	Closed    = "closed"    // the call ended and the file with it
	Recovered = "recovered" // finished after a crash or a fault
	OK        = "ok"
	Degraded  = "degraded" // something that was said is missing
)

// Manifest says what one part of a recording is, so that it can be checked
// without its key, and after the key is gone. It lies beside the file in the
// clear and holds ids and figures only.
type Manifest struct {
	Version    int          `json:"version"`
	Recording  string       `json:"recording"`
	Part       int          `json:"part"`
	Call       string       `json:"call"`
	Account    string       `json:"account"`
	Node       string       `json:"node"`
	Mode       string       `json:"mode"`
	Channels   string       `json:"channels"`
	Segment    int          `json:"segment,omitempty"`  // which stretch of the call: 1, and one more after each transfer
	Previous   string       `json:"previous,omitempty"` // the recording of the stretch before
	Source     string       `json:"source,omitempty"`   // voicemail: a message; absent: the policy of the call
	Mailbox    string       `json:"mailbox,omitempty"`  // of a message
	StartedAt  events.Stamp `json:"started_at"`         // time zero of the recording, in all of its parts
	DurationMS int64        `json:"duration_ms"`
	Completion string       `json:"completion"` // closed | recovered
	Result     string       `json:"result"`     // ok | degraded
	KeyRef     string       `json:"key_ref"`
	Size       int64        `json:"size"`
	Segments   int64        `json:"segments"`
	Root       string       `json:"root"`   // RFC 6962 over the sealed segments, hex
	SHA256     string       `json:"sha256"` // of the file, hex
	Caller     Track        `json:"caller"`
	Callee     Track        `json:"callee"`
	Gaps       int          `json:"gaps"`
	Pauses     []Span       `json:"pauses"`
	PausedMS   int64        `json:"paused_ms"`
}

// Track counts one side of a part.
type Track struct {
	Leg     string   `json:"leg,omitempty"` // who spoke; absent when it was not known as the file was begun
	Packets uint64   `json:"packets"`
	Bytes   uint64   `json:"bytes"`
	Dropped uint64   `json:"dropped"`
	Ignored uint64   `json:"ignored"`
	Digits  uint64   `json:"digits"`
	Codecs  []string `json:"codecs"`
}

// manifestLabel goes before the signed bytes: the signature means a manifest
// and nothing else.
const manifestLabel = "ringdown/manifest/v1\n"

// signed is the file: the manifest as the exact bytes that were signed.
type signed struct {
	Manifest  json.RawMessage `json:"manifest"`
	KeyID     string          `json:"key_id"`
	Signature []byte          `json:"signature"`
}

// ErrManifest says that a manifest is malformed or not signed by its node.
var ErrManifest = errors.New("manifest does not verify")

func track(t format.Totals, codecs []string) Track {
	return Track{
		Packets: t.Packets, Bytes: t.Bytes, Dropped: t.Dropped, Ignored: t.Ignored, Digits: t.Digits,
		Codecs: append([]string{}, codecs...),
	}
}

// of fills in what a summary knows.
func (m Manifest) of(s *summary, end format.End) Manifest {
	m.Version = 1
	m.Call, m.Account, m.Node = s.about.Call, s.about.Account, s.about.Node
	m.Mode, m.Channels = s.about.Mode, s.about.Channels
	m.StartedAt = events.Stamp(s.zero)
	m.DurationMS = end.Duration.Milliseconds()
	m.Completion, m.Result = Closed, OK
	if end.Reason != format.ReasonClosed {
		m.Completion = Recovered
	}
	if s.degraded || m.Part > 1 || m.Completion == Recovered {
		m.Result = Degraded
	}
	m.Segment, m.Previous = s.place.Segment, s.place.Previous
	m.Source, m.Mailbox = s.purpose.Source, s.purpose.Mailbox
	m.Caller, m.Callee = track(end.Caller, s.codecs[0]), track(end.Callee, s.codecs[1])
	m.Caller.Leg, m.Callee.Leg = s.place.Caller, s.place.Callee
	m.Gaps, m.PausedMS = int(end.Gaps), end.Paused.Milliseconds()
	m.Pauses = append([]Span{}, s.pauses...)
	return m
}

func (p *part) manifest(recording string, end format.End) Manifest {
	root := p.tree.Root()
	return Manifest{
		Recording: recording, Part: p.number, KeyRef: p.keyRef, Size: p.size, Segments: int64(p.tree.Size()),
		Root: hex.EncodeToString(root[:]), SHA256: hex.EncodeToString(p.hash.Sum(nil)),
	}.of(&p.sum, end)
}

// sign writes a part's manifest beside it.
func (r *Recorder) sign(name string, m Manifest) error {
	key, id, err := r.deps.Keys.Signer()
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	b, err := json.Marshal(signed{
		Manifest: body, KeyID: id, Signature: ed25519.Sign(key, append([]byte(manifestLabel), body...)),
	})
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if err := r.deps.Store.PutManifest(name, append(b, '\n')); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return nil
}

// readManifest parses a manifest and checks its signature.
func readManifest(b []byte, keys Keys) (Manifest, error) {
	var m Manifest
	var s signed
	if err := json.Unmarshal(b, &s); err != nil {
		return m, fmt.Errorf("manifest: not JSON of its kind: %w", ErrManifest)
	}
	pub, err := keys.PublicKey(s.KeyID)
	if err != nil {
		return m, fmt.Errorf("manifest: public key: %w", err)
	}
	if len(pub) != ed25519.PublicKeySize || !ed25519.Verify(pub, append([]byte(manifestLabel), s.Manifest...), s.Signature) {
		return m, fmt.Errorf("manifest: signature is wrong: %w", ErrManifest)
	}
	if err := json.Unmarshal(s.Manifest, &m); err != nil || m.Version != 1 {
		return m, fmt.Errorf("manifest: version %d: %w", m.Version, ErrManifest)
	}
	return m, nil
}
