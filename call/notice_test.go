package call

import (
	"time"

	"ringdown/media"
)

// paused is how a recording begins, behind "tap" or "next segment".
func paused(by string) string {
	if by != "" {
		return ", paused by " + by
	}
	return ""
}

// noticeOf is what a transcript's "noticed [kind] [side] [since in ms]" says;
// without a kind it is the caller's first packet.
func noticeOf(at At, kind, side string, since int) media.Notice {
	n := media.Notice{Kind: media.Started, Side: media.Caller, At: at.Time, PT: 8, Since: zero.Add(time.Duration(since) * time.Millisecond)}
	if side == "callee" {
		n.Side = media.Callee
	}
	switch kind {
	case "one-way":
		n.Kind, n.Unheard = media.OneWay, &media.Unheard{Verdict: media.WrongSource, Origin: media.Private}
	case "one-way-over":
		n.Kind, n.Unheard = media.OneWay, &media.Unheard{Verdict: media.WrongSource, Origin: media.Private, Over: true}
	case "silence":
		n.Kind, n.Unheard = media.Silent, &media.Unheard{Verdict: media.Muted}
	case "quality":
		n.Kind, n.Heard = media.Quality, &media.Heard{Codec: "PCMU", Packets: 450, Expected: 500, Lost: 50, Rated: true, R: 61, ListeningMOS: 3.15, Class: "low"}
	case "expired":
		n.Kind, n.Limit = media.Expired, media.SteadyLimit
	}
	return n
}
