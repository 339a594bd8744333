package events

import "strings"

// SIPSourceBanned is the one type so far that a node tells of itself: no call
// is in it. Each such event is a story of its own, under an id that begins with
// "node_" and with seq 1, on the account System.
const SIPSourceBanned = "sip.source.banned"

// SIPSourceBannedData is its payload.
type SIPSourceBannedData struct {
	Source string `json:"source"` // an IPv4 address or an IPv6 network, in CIDR form
	Reason string `json:"reason"` // scan | malformed | digest
	Until  Stamp  `json:"until"`
	Count  int    `json:"count"` // bans of this source that the node remembers, this one included
}

// OfNode reports whether t belongs to no call.
func OfNode(t string) bool { return t == SIPSourceBanned }

// NodeID is the prefix of the ids of such events, for [NewID].
const NodeID = "node"

// ValidNode reports whether s is an id of such an event.
func ValidNode(s string) bool {
	u, ok := strings.CutPrefix(s, NodeID+"_")
	return ok && validULID(u)
}

// validStory reports whether s may stand where a call's id stands.
func validStory(s string) bool { return ValidCall(s) || ValidNode(s) }
