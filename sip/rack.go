package sip

import (
	"strconv"
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

const (
	reliableTag = "100rel" // option tag of RFC 3262
	goneTag     = "199"    // option tag of RFC 6228
)

// readRSeq reads an RSeq: 1 to 2^31-1 to begin with, and rising (RFC 3262 7.1).
func readRSeq(s string) (uint32, bool) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n > 0
}

// readRAck reads a RAck: which response to which request was received (RFC 3262 7.2).
func readRAck(s string) (rseq, cseq uint32, method string, ok bool) {
	f := strings.Fields(s)
	if len(f) != 3 {
		return 0, 0, "", false
	}
	rseq, ok = readRSeq(f[0])
	n, err := strconv.ParseUint(f[1], 10, 32)
	return rseq, uint32(n), f[2], ok && err == nil && strings.Trim(f[1], "0123456789") == ""
}

// rackOf reads the RAck of a PRACK to the INVITE of a leg; 0 when it is about
// anything else.
func rackOf(in, invite *gosip.Request) uint32 {
	h := in.GetHeader("rack")
	if h == nil {
		return 0
	}
	rseq, cseq, method, ok := readRAck(h.Value())
	if !ok || cseq != invite.CSeq().SeqNo || method != string(gosip.INVITE) {
		return 0
	}
	return rseq
}
