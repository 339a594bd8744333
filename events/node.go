package events

import "strings"

// Types that a node tells of itself: no call is in them. Each such event is a
// story of its own, under an id that begins with "node_" and with seq 1, on the
// account System.
const (
	SIPSourceBanned = "sip.source.banned"
	ConfigChanged   = "config.changed"
	ConfigRefused   = "config.refused"
)

// SIPSourceBannedData is its payload.
type SIPSourceBannedData struct {
	Source string `json:"source"` // an IPv4 address or an IPv6 network, in CIDR form
	Reason string `json:"reason"` // scan | malformed | digest
	Until  Stamp  `json:"until"`
	Count  int    `json:"count"` // bans of this source that the node remembers, this one included
}

// ConfigChangedData is the payload of ConfigChanged: a node uses another routing
// table. It counts what the change touched and names none of it.
type ConfigChangedData struct {
	Source          string         `json:"source"` // file | disk | nats
	Version         string         `json:"version"`
	PreviousVersion string         `json:"previous_version,omitempty"` // empty: the first since the start
	Commit          uint64         `json:"commit,omitempty"`           // of the directory
	PreviousCommit  uint64         `json:"previous_commit,omitempty"`
	Node            string         `json:"node,omitempty"` // that made the commit
	By              string         `json:"by,omitempty"`   // who asked for it
	Added           map[string]int `json:"added,omitempty"`
	Changed         map[string]int `json:"changed,omitempty"`
	Removed         map[string]int `json:"removed,omitempty"`
}

// ConfigRefusedData is the payload of ConfigRefused: the newest routing table
// cannot be used on a node, and the one in use stays.
type ConfigRefusedData struct {
	Reason  string `json:"reason"`            // broker | empty | head | pages | table
	Text    string `json:"text"`              // in words
	Version string `json:"version,omitempty"` // of the table that stays; empty: there is none
	Commit  uint64 `json:"commit,omitempty"`
}

// OfNode reports whether t belongs to no call.
func OfNode(t string) bool { return t == SIPSourceBanned || t == ConfigChanged || t == ConfigRefused }

// NodeID is the prefix of the ids of such events, for [NewID].
const NodeID = "node"

// ValidNode reports whether s is an id of such an event.
func ValidNode(s string) bool {
	u, ok := strings.CutPrefix(s, NodeID+"_")
	return ok && validULID(u)
}

// validStory reports whether s may stand where a call's id stands.
func validStory(s string) bool { return ValidCall(s) || ValidNode(s) }
