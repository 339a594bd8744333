package sip

import (
	"strings"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/routing"
)

// Option tags of transfers (RFC 3891 6.2, RFC 4488 7).
const (
	replacesTag   = "replaces"
	norefersubTag = "norefersub"
)

// supported lists the option tags that we understand (RFC 3261 19.2).
const supported = timerTag + ", " + replacesTag + ", " + norefersubTag + ", " + reliableTag

func supportedHeader() gosip.Header { return gosip.NewHeader("Supported", supported) }

// options are the headers of an INVITE of ours that say what we know and need.
// Without an offer of ours nothing is to come reliably: it would be the callee's
// offer, and our answer to it would have to be in the PRACK.
func options(reliable string, offered bool) []gosip.Header {
	switch {
	case reliable == routing.ReliableOff || !offered:
		return []gosip.Header{gosip.NewHeader("Supported", timerTag+", "+replacesTag+", "+norefersubTag+", "+goneTag)}
	case reliable == routing.ReliableRequired:
		return []gosip.Header{gosip.NewHeader("Supported", supported+", "+goneTag), gosip.NewHeader("Require", reliableTag)}
	}
	return []gosip.Header{gosip.NewHeader("Supported", supported+", "+goneTag)}
}

// compact are the short names of the lists read here (RFC 3261 7.3.3, RFC 4028 13.1).
var compact = map[string]string{"supported": "k"}

// lists reports whether a header of m, a list of tokens, holds one, whatever the
// case of its letters.
func lists(m headed, name, token string) bool {
	for _, n := range []string{name, compact[name]} {
		if n == "" {
			continue
		}
		for _, h := range m.GetHeaders(n) {
			for item := range strings.SplitSeq(h.Value(), ",") {
				item, _, _ = strings.Cut(item, ";")
				if strings.EqualFold(strings.TrimSpace(item), token) {
					return true
				}
			}
		}
	}
	return false
}

// required returns the option tags of Require that we do not support.
func required(req *gosip.Request) string {
	var tags []string
	for _, h := range req.GetHeaders("require") {
		for tag := range strings.SplitSeq(h.Value(), ",") {
			tag = strings.TrimSpace(tag)
			if tag != "" && len(tag) <= 64 && !strings.ContainsFunc(tag, func(r rune) bool { return r > 0x7e || !isToken(byte(r)) }) &&
				!known(tag) {
				tags = append(tags, tag)
			}
		}
	}
	return strings.Join(tags, ", ")
}

func known(tag string) bool {
	for t := range strings.SplitSeq(supported, ", ") {
		if strings.EqualFold(t, tag) {
			return true
		}
	}
	return false
}
