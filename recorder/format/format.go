// Package format is the inside of a recording: the preamble in front of the
// sealed segments and the records in their plaintext. FORMAT.md is the
// description for those who write a reader of their own.
//
// It is pure: bytes in, values out. It knows no key and no file (recorder joins
// it with privacy/seal and a store) and decodes no audio (recorder/render does).
package format

import (
	"errors"
	"time"

	"ringdown/media"
)

// Sizes of the container, in bytes.
const (
	Segment = 4096 // sealed
	Plain   = 4064 // what a segment holds
)

// MaxPayload is the longest RTP payload that a record can hold: a segment less
// its head and the record's own header. Records never span segments.
const MaxPayload = Plain - headSize - recordHeader - audioFixed

// Version is the version of the records, told in the preamble.
const Version = 1

// Suite names the sealing of the segments, told in the preamble.
const Suite = "FLOE(GCM-256,HKDF-SHA-384,4096)"

// Errors of this package; what is wrong in detail is in the text around them.
var (
	ErrMagic    = errors.New("not a recording")
	ErrPreamble = errors.New("preamble is malformed")
	ErrRecord   = errors.New("record is malformed")
	ErrTooLong  = errors.New("record does not fit a segment")
)

// Type is the first byte of a record.
type Type uint8

// Types of records. Readers pass over those they do not know.
const (
	TypePad    Type = 0
	TypeAudio  Type = 1
	TypeGap    Type = 2
	TypeMark   Type = 3
	TypeMeta   Type = 4
	TypeAnchor Type = 5
	TypeEnd    Type = 6
	TypeHead   Type = 7
)

const (
	recordHeader = 3 // type, length
	headSize     = recordHeader + 6
	audioFixed   = 18
	maxMicros    = 1<<48 - 1
)

// Record is one of Audio, Gap, Mark, Formats, About, Place, Purpose, Anchor, End, Head and
// Unknown. All times in records count from the recording's time zero, in
// microseconds when written.
type Record interface {
	kind() Type
	body(b []byte) []byte
}

// Audio is one RTP packet as it came. Payload aliases what it was parsed from.
type Audio struct {
	Side    media.Side
	PT      uint8
	Marker  bool
	Seq     uint16
	TS      uint32
	SSRC    uint32
	At      time.Duration // arrival
	Payload []byte
}

// Cause says why audio is missing.
type Cause uint8

const (
	CauseFull        Cause = 1 // the queue between relay and recorder was full
	CausePaused      Cause = 2
	CauseFault       Cause = 3 // the disk refused; goes on in another part
	CauseCrash       Cause = 4 // the process died; To is when the file was finished
	CauseUndescribed Cause = 5 // payload type without a meaning: it could be digits
	CauseOversize    Cause = 6 // longer than a record
)

func (c Cause) String() string {
	names := [...]string{"unknown", "ring-full", "paused", "fault", "crash", "undescribed", "oversize"}
	if int(c) < len(names) {
		return names[c]
	}
	return names[0]
}

// Gap is a stretch of time from which packets are missing by our own doing.
// What the network lost has no record: the sequence numbers tell it.
type Gap struct {
	Side     media.Side // 0: both
	Cause    Cause
	From, To time.Duration
	Packets  uint32
}

// MarkKind is what happened at a [Mark].
type MarkKind uint8

const (
	MarkPause     MarkKind = 1
	MarkResume    MarkKind = 2
	MarkDigits    MarkKind = 3 // telephone-event packets left out; Count says how many
	MarkRecovered MarkKind = 4 // finished after a crash; Count is the bytes of the torn tail
)

func (k MarkKind) String() string {
	names := [...]string{"unknown", "pause", "resume", "dtmf-suppressed", "recovered"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[0]
}

// Mark is a point in time at which something happened.
type Mark struct {
	Kind  MarkKind
	Side  media.Side // 0: both or neither
	At    time.Duration
	Count uint32
	Ref   string // an id, at most 255 bytes
}

// Formats says what the payload types of a side mean from here on. A set too
// long for one record is continued in further ones with More set.
type Formats struct {
	Side media.Side
	More bool // adds to the set instead of replacing it
	At   time.Duration
	Set  []media.Format
}

// About says what the file belongs to; ids only. It is in the first segment of
// each part, so that a file whose process died can be finished.
type About struct {
	Recording string
	Call      string
	Account   string
	Node      string
	Mode      string
	Channels  string
}

// Place says where the file stands in its call: which stretch of it this is,
// between whom, and which recording holds the stretch before. It follows About;
// files of before there were transfers have none.
type Place struct {
	Segment  int    // from 1, below 65536
	Previous string // recording id; empty: the first
	Caller   string // leg ids; empty: not known when the file was begun
	Callee   string
}

// Purpose says what the file was made for, when that is not the policy of its call.
// It follows Place.
type Purpose struct {
	Source  string // voicemail
	Mailbox string // id; empty: none
}

// Anchor ties the recording's clock to the wall clock and to the bytes so far.
type Anchor struct {
	At       time.Duration
	Wall     time.Time // microseconds
	Segments uint64    // sealed before the segment that holds this record
	Root     [32]byte  // RFC 6962 Merkle root over them
}

// Reason is why a part ended.
type Reason uint8

const (
	ReasonClosed    Reason = 1 // the recording ended as it should
	ReasonRecovered Reason = 2 // finished after a crash or a fault
)

func (r Reason) String() string {
	switch r {
	case ReasonClosed:
		return "closed"
	case ReasonRecovered:
		return "recovered"
	}
	return "unknown"
}

// Totals counts one side of a part.
type Totals struct {
	Packets uint64 // stored
	Bytes   uint64 // payload stored
	Dropped uint64 // audio that came and could not be stored, for a reason in a Gap
	Ignored uint64 // packets whose payload type has no meaning: a keepalive (RFC 6263), or digits
	Digits  uint64 // telephone-event packets, never stored
}

// End closes a part. It is in the last segment only.
type End struct {
	Reason   Reason
	Duration time.Duration // from the recording's time zero to the end of the call
	Gaps     uint32
	Pauses   uint32
	Paused   time.Duration
	Caller   Totals
	Callee   Totals
}

// Head is the first record of each segment: the time of what follows it, so
// that a time is found by a binary search over the segments.
type Head struct{ At time.Duration }

// Unknown is a record of a type that this version does not know.
type Unknown struct {
	Type Type
	Body []byte
}
