package sip

import (
	"bytes"
	"strings"
)

// Limits on what one message may be (security 5.1), looked at before any parser
// runs and without an allocation for each header.
const (
	maxDatagram = 16 << 10
	maxStream   = 32 << 10
	maxHeaders  = 96
	maxLine     = 1024
	maxIdentity = 4096 // Identity carries a PASSporT (RFC 8224)
	maxVia      = 16
	maxRoute    = 8
	maxDigits   = 10
)

// Faults of the screen; names of drop reasons in Stats.
const (
	faultSize       = "screen-size"
	faultControl    = "screen-control"    // bare CR or LF, NUL, any control character but HTAB
	faultEnd        = "screen-end"        // no empty line
	faultHeaders    = "screen-headers"    // too many header lines, Vias or Routes
	faultLine       = "screen-line"       // a line too long
	faultName       = "screen-name"       // a header name that is no token
	faultDuplicate  = "screen-duplicate"  // a header twice that may stand once
	faultNumber     = "screen-number"     // not a decimal number of at most ten digits
	faultLength     = "screen-length"     // Content-Length beyond the datagram, or none on a stream
	faultUnparsable = "screen-unparsable" // the parser refused it
)

// answerable says which faults are told with a 400: those of a sender who meant
// well. The others are how attacks look, and get silence.
func answerable(fault string) bool {
	return fault == faultDuplicate || fault == faultNumber || fault == faultLength || fault == faultUnparsable
}

// singles are the headers that may stand once; a second one would let two
// readers of the same message disagree.
const (
	hCallID = 1 << iota
	hCSeq
	hFrom
	hTo
	hMaxForwards
	hContentLength
	hContentType
)

// single returns the bit of a header that may stand once, in either form.
func single(name []byte) int {
	switch len(name) {
	case 1:
		switch name[0] | 0x20 {
		case 'i':
			return hCallID
		case 'f':
			return hFrom
		case 't':
			return hTo
		case 'l':
			return hContentLength
		case 'c':
			return hContentType
		}
	case 2:
		if is(name, "to") {
			return hTo
		}
	case 4:
		if is(name, "from") {
			return hFrom
		}
		if is(name, "cseq") {
			return hCSeq
		}
	case 7:
		if is(name, "call-id") {
			return hCallID
		}
	case 12:
		if is(name, "max-forwards") {
			return hMaxForwards
		}
		if is(name, "content-type") {
			return hContentType
		}
	case 14:
		if is(name, "content-length") {
			return hContentLength
		}
	}
	return 0
}

func is(name []byte, lower string) bool {
	return len(name) == len(lower) && strings.EqualFold(string(name), lower)
}

// screened is a message that passed: where its header ends (after the empty
// line) and where the message ends.
type screened struct{ head, end int }

// screen looks at a whole datagram, or at the header of a message on a stream
// (then the body may still be missing). fault is empty when it may be parsed.
func screen(b []byte, stream bool) (s screened, fault string) {
	limit := maxDatagram
	if stream {
		limit = maxStream
	}
	if len(b) > limit {
		return s, faultSize
	}
	i := bytes.Index(b, []byte("\r\n\r\n"))
	switch {
	case i < 0 && (stream || clean(b)):
		return s, faultEnd
	case i < 0 || !clean(b[:i+2]):
		return s, faultControl
	}
	head := b[:i+2]
	s.head = i + 4
	length, fault := screenLines(head)
	if fault != "" {
		return s, fault
	}
	switch {
	case length < 0 && stream:
		return s, faultLength
	case length < 0:
		s.end = len(b)
	case !stream && length > len(b)-s.head:
		return s, faultLength
	case length > limit:
		return s, faultSize
	default:
		s.end = s.head + length // on a datagram the rest is not of this message (RFC 3261 18.3)
	}
	return s, ""
}

// clean reports whether every CR has its LF and there is no other control
// character but HTAB.
func clean(head []byte) bool {
	for i := 0; i < len(head); i++ {
		switch c := head[i]; {
		case c == '\r':
			if i+1 >= len(head) || head[i+1] != '\n' {
				return false
			}
			i++
		case c < ' ' && c != '\t', c == 0x7f:
			return false
		}
	}
	return true
}

// screenLines looks at the start line and each header; length is the
// Content-Length, -1 when there is none.
func screenLines(head []byte) (length int, fault string) {
	length = -1
	var seen, count, vias, routes, recorded int
	for n := 0; len(head) > 0; n++ {
		var line []byte
		line, head = cutLine(head)
		if n == 0 {
			if len(line) > maxLine || bytes.IndexByte(line, '\n') >= 0 { // too long, or folded
				return 0, faultLine
			}
			continue
		}
		if count++; count > maxHeaders {
			return 0, faultHeaders
		}
		name, value, ok := cutHeader(line)
		if !ok {
			return 0, faultName
		}
		if len(line) > maxLine && (!is(name, "identity") && !is(name, "y") || len(line) > maxIdentity) {
			return 0, faultLine
		}
		if bit := single(name); bit != 0 {
			if seen&bit != 0 {
				return 0, faultDuplicate
			}
			seen |= bit
			if fault := screenNumber(bit, value, &length); fault != "" {
				return 0, fault
			}
		}
		switch {
		case is(name, "via") || is(name, "v"):
			vias += values(value)
		case is(name, "route"):
			routes += values(value)
		case is(name, "record-route"):
			recorded += values(value)
		}
		if vias > maxVia || routes > maxRoute || recorded > maxRoute {
			return 0, faultHeaders
		}
	}
	return length, ""
}

// cutLine takes the first logical line off: up to a CRLF that no white space follows.
func cutLine(b []byte) (line, rest []byte) {
	for i := 0; ; {
		j := bytes.Index(b[i:], []byte("\r\n"))
		if j < 0 {
			return b, nil
		}
		i += j + 2
		if i >= len(b) || b[i] != ' ' && b[i] != '\t' {
			return b[:i-2], b[i:]
		}
	}
}

// cutHeader splits a line at its colon; the name must be a token, with nothing
// but white space before the colon (RFC 3261 25.1, HCOLON).
func cutHeader(line []byte) (name, value []byte, ok bool) {
	name, value, ok = bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	if !ok || len(name) == 0 {
		return nil, nil, false
	}
	for _, c := range name {
		if !isToken(c) {
			return nil, nil, false
		}
	}
	return name, bytes.Trim(value, " \t\r\n"), true
}

func isToken(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-.!%*_+`'~", c) >= 0
}

// screenNumber checks the numeric headers and keeps the Content-Length.
func screenNumber(bit int, value []byte, length *int) string {
	switch bit {
	case hCSeq:
		if i := bytes.IndexAny(value, " \t\r\n"); i >= 0 {
			value = value[:i]
		}
	case hMaxForwards, hContentLength:
	default:
		return ""
	}
	if len(value) == 0 || len(value) > maxDigits {
		return faultNumber
	}
	n := 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return faultNumber
		}
		n = n*10 + int(c-'0')
	}
	switch {
	case bit == hContentLength:
		*length = n
	case bit == hMaxForwards && n > 255, bit == hCSeq && n > 1<<31-1:
		return faultNumber
	}
	return ""
}

// values counts the values of a list header: commas outside quotes, and one.
func values(value []byte) int {
	n, quoted := 1, false
	for i, c := range value {
		switch {
		case c == '"' && (i == 0 || value[i-1] != '\\'):
			quoted = !quoted
		case c == ',' && !quoted:
			n++
		}
	}
	return n
}
