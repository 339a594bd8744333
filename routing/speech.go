package routing

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Speech is what a trunk asks of the codecs of its leg of a call.
type Speech struct {
	Codecs     []string      // in capitals, the preferred first; empty: all
	PacketTime time.Duration // of what is sent to it; 0: as it comes
	PassOnly   bool          // nothing is decoded for it
}

// Words of Trunk.Transcode; the first is the default.
const (
	TranscodeAuto = "auto"
	TranscodeOff  = "off"
)

var (
	transcodes  = []string{TranscodeAuto, TranscodeOff}
	packetTimes = []int{10, 20, 30, 40, 60}
	// spoken are the codecs that media/codec converts; a test of cmd/ringdown holds
	// the two lists together.
	spoken = []string{"OPUS", "G722", "PCMA", "PCMU"}
)

// SpokenCodecs returns the names of codecs that can be converted.
func SpokenCodecs() []string { return slices.Clone(spoken) }

func (b *builder) speech(t Trunk, path string) Speech {
	s := Speech{PassOnly: t.Transcode == TranscodeOff, PacketTime: time.Duration(t.PacketTime) * time.Millisecond}
	b.fault(checkWord(t.Transcode, transcodes), "%s.transcode", path)
	for i, name := range t.Codecs {
		name = strings.ToUpper(name)
		msg := ""
		switch {
		case !encodingName(name):
			msg = "is not the name of a codec, such as PCMA or opus"
		case name == "TELEPHONE-EVENT" || name == "CN":
			msg = "is no codec of speech: it passes beside any"
		case slices.Contains(s.Codecs, name):
			msg = "is in the list already"
		}
		if !b.fault(msg, "%s.codecs[%d]", path, i) {
			s.Codecs = append(s.Codecs, name)
		}
	}
	switch known := slices.ContainsFunc(s.Codecs, func(name string) bool { return slices.Contains(spoken, name) }); {
	case t.PacketTime == 0:
	case !slices.Contains(packetTimes, t.PacketTime):
		b.fault(fmt.Sprintf("is not a packet time in ms; allowed: %s", strings.Trim(strings.ReplaceAll(fmt.Sprint(packetTimes), " ", ", "), "[]")), "%s.ptime", path)
	case s.PassOnly:
		b.fault("needs packets to be made anew, and transcode is off", "%s.ptime", path)
	case len(s.Codecs) > 0 && !known:
		b.fault("needs packets to be made anew, and none of codecs can be", "%s.ptime", path)
	}
	return s
}

// encodingName reports whether s could stand in a=rtpmap (RFC 8866 6.6).
func encodingName(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.+", r)
	})
}
