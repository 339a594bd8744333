package sip

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// warnings are the words of RFC 3261 20.43 for the codes that we give.
var warnings = map[int]string{
	300: "Incompatible network protocol",
	301: "Incompatible network address formats",
	304: "Media type not available",
	305: "Incompatible media format",
}

// warningHeader says more of a refusal than its status can, nil when there is
// nothing to say. The agent is the name we go by towards h.
func warningHeader(c call.Cause, h *hop) gosip.Header {
	text, ok := warnings[c.Warn]
	if !ok {
		return nil
	}
	host, port := h.sentBy()
	return gosip.NewHeader("Warning", fmt.Sprintf("%d %s %q", c.Warn, net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port)), text))
}
