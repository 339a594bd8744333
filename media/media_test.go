package media

import "testing"

func TestSideOther(t *testing.T) {
	for _, s := range []Side{Caller, Callee} {
		if o := s.Other(); o == s || o.Other() != s {
			t.Errorf("%v.Other() = %v, and back %v", s, o, o.Other())
		}
	}
}

// The words end up in events and metrics: a changed one is a changed promise.
func TestWords(t *testing.T) {
	for _, c := range []struct {
		got, want string
	}{
		{Caller.String(), "caller"},
		{Callee.String(), "callee"},
		{Side(0).String(), "unknown"},
		{Side(7).String(), "unknown"},
		{Started.String(), "started"},
		{Pressed.String(), "pressed"},
		{Tell.String(), "tell"},
		{Coded.String(), "coded"},
		{NoticeKind(0).String(), "unknown"},
		{DropSource.String(), "source"},
		{DropMalformed.String(), "malformed"},
		{DropNoPeer.String(), "no-peer"},
		{DropRate.String(), "rate"},
		{DropSend.String(), "send"},
		{DropDirection.String(), "direction"},
		{DropQuarantine.String(), "quarantine"},
		{DropDigit.String(), "digit"},
		{DropAuth.String(), "auth"},
		{DropReplay.String(), "replay"},
		{DropSTUN.String(), "stun"},
		{DropApart.String(), "apart"},
		{DropMuted.String(), "muted"},
		{SRTPOff.String(), "off"},
		{SRTPOffer.String(), "offer"},
		{SRTPRequire.String(), "require"},
		{SRTPMode(9).String(), "unknown"},
		{DropCount.String(), "unknown"},
		{Drop(200).String(), "unknown"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestEveryDropHasItsOwnWord(t *testing.T) {
	seen := map[string]Drop{}
	for d := Drop(0); d < DropCount; d++ {
		if before, twice := seen[d.String()]; twice || d.String() == DropCount.String() {
			t.Errorf("drop %d is called %q, like %d", d, d, before)
		}
		seen[d.String()] = d
	}
}

func TestStatsOf(t *testing.T) {
	var s Stats
	s.Of(Caller).Packets = 1
	s.Of(Callee).Packets = 2
	if s.Caller.Packets != 1 || s.Callee.Packets != 2 {
		t.Errorf("Of gave the wrong flow: %+v", s)
	}
}
