// Package sdp reads session descriptions (RFC 8866) and writes the offers and
// answers (RFC 3264) that a relay between two parties makes of them.
//
// It owns the text: [Parse] is tolerant of what telephones really send and
// strict about size; [Description.Offer], [Answer] and [Reanswer] write
// descriptions in which codecs stay as they were and everything that says where
// or who a party is gives way to our own address. Of encryption it knows the words
// and no meaning. It refuses fax without audio and addresses that are names. It opens nothing, knows no clock and
// resolves no name: the same bytes always give the same bytes.
package sdp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"ringdown/media"
)

// Limits of a description. What exceeds one is
// refused whole.
const (
	MaxBytes      = 8 << 10
	MaxMedia      = 8  // m= lines: video endpoints offer six
	MaxFormats    = 32 // in one m= line
	MaxAttributes = 64 // a= lines in one m= section, or before the first
	MaxLines      = 32 // other lines there
)

var (
	// ErrMalformed says that the body is not a session description we can read: 400.
	ErrMalformed = errors.New("malformed session description")
	// ErrUnacceptable says that it can be read and asks for what we do not
	// relay: 488.
	ErrUnacceptable = errors.New("session description not acceptable")
)

// Description is a parsed session description. It does not change after
// [Parse] and may be used by many goroutines.
type Description struct {
	session  []line // before the first m=
	sections []section
	secrets  []string // words that must not reach the other party, lower case

	audio  int   // index of the section to relay; -1: none
	refuse error // why there is none
	relay  audio // meaning of that section

	mayEncrypt bool // the party's audio may be of an encrypted kind
}

// line is one line as it came, without its line end; for a= its name in lower
// case and what follows the colon.
type line struct {
	key       byte
	value     string
	name, arg string
}

func newLine(key byte, value string) line {
	l := line{key: key, value: strings.TrimSpace(value)}
	if key == 'a' {
		name, arg, _ := strings.Cut(l.value, ":")
		l.name, l.arg = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(arg)
	}
	return l
}

// section is an m= line and what belongs to it.
type section struct {
	kind    string
	port    uint16
	proto   string
	formats []string
	media   line // the m= line as it came
	lines   []line
}

// Parse reads a description. It accepts bare LF, a missing last line end, a
// missing v=, s= or t=, and lines out of order; it fails with [ErrMalformed]
// for what is not "letter=value" lines, holds control characters or exceeds a
// limit. Whether the content can be relayed is said by [Description.Acceptable].
//
// It takes plain audio only; [ParseFor] may take what is encrypted.
func Parse(body []byte) (*Description, error) {
	d, err := read(body)
	if err == nil {
		d.choose(PlainOnly)
	}
	return d, err
}

func read(body []byte) (*Description, error) {
	if len(body) > MaxBytes {
		return nil, fmt.Errorf("body of %d bytes, at most %d are read: %w", len(body), MaxBytes, ErrMalformed)
	}
	d := &Description{}
	attributes, others := 0, 0 // in the section that is open
	for n, rest := 1, body; len(rest) > 0; n++ {
		var raw []byte
		raw, rest, _ = bytes.Cut(rest, []byte("\n"))
		l, ok, err := parseLine(raw)
		switch {
		case err != nil || !ok:
		case l.key == 'm':
			attributes, others = 0, 0
			err = d.begin(l)
		case l.key == 'a':
			attributes++
			d.add(l)
		default:
			others++
			d.add(l)
		}
		if attributes > MaxAttributes || others > MaxLines {
			err = fmt.Errorf("more than %d attributes or %d other lines in a section", MaxAttributes, MaxLines)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w: %w", n, err, ErrMalformed)
		}
	}
	if len(d.session)+len(d.sections) == 0 {
		return nil, fmt.Errorf("body is empty: %w", ErrMalformed)
	}
	d.secrets = d.collectSecrets()
	return d, nil
}

// parseLine reads one line; ok is false for an empty one.
func parseLine(raw []byte) (l line, ok bool, err error) {
	raw = bytes.TrimRight(raw, "\r \t")
	if len(raw) == 0 {
		return line{}, false, nil
	}
	for _, c := range raw {
		if c < ' ' && c != '\t' || c == 0x7f {
			return line{}, false, fmt.Errorf("control character 0x%02x", c)
		}
	}
	if len(raw) < 2 || raw[1] != '=' || raw[0] < 'a' || raw[0] > 'z' {
		return line{}, false, errors.New("not of the form x=value")
	}
	l = newLine(raw[0], string(raw[2:]))
	if l.key == 'v' && l.value != "0" {
		return line{}, false, errors.New("version is not 0")
	}
	return l, true, nil
}

// add appends a line to the section that is open.
func (d *Description) add(l line) {
	if n := len(d.sections); n > 0 {
		d.sections[n-1].lines = append(d.sections[n-1].lines, l)
		return
	}
	d.session = append(d.session, l)
}

// begin opens a section: "m=<media> <port>[/<number>] <proto> <fmt> ...".
func (d *Description) begin(l line) error {
	if len(d.sections) == MaxMedia {
		return fmt.Errorf("more than %d m= lines", MaxMedia)
	}
	f := strings.Fields(l.value)
	if len(f) < 3 {
		return errors.New("m= needs media, port and protocol")
	}
	s := section{kind: strings.ToLower(f[0]), proto: f[2], formats: f[3:], media: l}
	if !plain(s.kind, "-") || !plain(s.proto, "-/") {
		return errors.New("m= holds a media or protocol that is not a word")
	}
	if len(s.formats) > MaxFormats {
		return fmt.Errorf("more than %d formats", MaxFormats)
	}
	port, _, _ := strings.Cut(f[1], "/")
	n, ok := number(port, 65535)
	if !ok {
		return errors.New("port is not a number from 0 to 65535")
	}
	s.port = uint16(n)
	d.sections = append(d.sections, s)
	return nil
}

// Bytes writes the description as it was read, each line ended by CRLF.
func (d *Description) Bytes() []byte {
	var b bytes.Buffer
	put := func(l line) { fmt.Fprintf(&b, "%c=%s\r\n", l.key, l.value) }
	for _, l := range d.session {
		put(l)
	}
	for _, s := range d.sections {
		put(s.media)
		for _, l := range s.lines {
			put(l)
		}
	}
	return b.Bytes()
}

// Acceptable returns nil when there is audio that can be relayed, and otherwise
// why not, as an [ErrUnacceptable].
func (d *Description) Acceptable() error { return d.refuse }

// Remote returns where the party wants its RTP and RTCP: port + 1 unless
// a=rtcp (RFC 3605) says otherwise. Both are the zero AddrPort while the party
// holds the call in the old way, by the address 0.0.0.0 (RFC 3264 8.4).
func (d *Description) Remote() (rtp, rtcp netip.AddrPort) { return d.relay.rtp, d.relay.rtcp }

// IPv6 reports whether the party's audio is at an IPv6 address; a holding one
// (::) counts.
func (d *Description) IPv6() bool { return d.relay.ipv6 }

// Direction says whether the party wants to send and to receive; an address of
// 0.0.0.0 counts as not wanting to receive.
func (d *Description) Direction() Direction { return d.relay.direction }

// Formats returns the meaning of the payload types the party is ready to
// receive, in its order of preference. A dynamic payload type without a
// readable a=rtpmap means nothing and is left out. The caller must not change
// the slice.
func (d *Description) Formats() []media.Format { return d.relay.formats }

// Types returns the payload types of the relayed m= line in order, those
// without a meaning too. The caller must not change the slice.
func (d *Description) Types() []uint8 { return d.relay.types }

// PacketTime returns a=ptime, or 0 when the party does not say.
func (d *Description) PacketTime() time.Duration { return d.relay.packetTime }

// number reads an unsigned decimal of at most top, without sign or blanks.
func number(s string, top uint64) (uint64, bool) {
	if s == "" || len(s) > 10 {
		return 0, false
	}
	var n uint64
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, n <= top
}

// plain reports whether s is a word of ASCII letters, digits and the bytes of also.
func plain(s, also string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte(also, c) < 0 {
			return false
		}
	}
	return s != ""
}
