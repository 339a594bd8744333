package routing

import (
	"testing"
	"time"
)

func TestSessionIntervals(t *testing.T) {
	for _, c := range []struct {
		session       Session
		expires, min_ time.Duration
	}{
		{Session{}, 30 * time.Minute, 90 * time.Second},
		{Session{Expires: Seconds(90)}, 90 * time.Second, 90 * time.Second},
		{Session{Expires: Seconds(20), Min: Seconds(10)}, 20 * time.Second, 10 * time.Second},
		{Session{Min: Seconds(7200)}, 2 * time.Hour, 2 * time.Hour},
	} {
		if got := c.session.Interval(); got != c.expires {
			t.Errorf("%+v: offered %v, want %v", c.session, got, c.expires)
		}
		if got := c.session.Shortest(); got != c.min_ {
			t.Errorf("%+v: at least %v, want %v", c.session, got, c.min_)
		}
	}
}

func TestSessionFaults(t *testing.T) {
	month, _ := ParseDuration("P1M")
	half, _ := ParseDuration("PT90.5S")
	for _, c := range []struct {
		trunk Trunk
		path  string
		msg   string
	}{
		{Trunk{Session: Session{Refresher: "them"}}, "session.refresher", `"them" is not known; allowed: auto, us, peer`},
		{Trunk{Reliable: "on"}, "reliable", `"on" is not known; allowed: supported, required, off`},
		{Trunk{EarlyMedia: "off"}, "early_media", `"off" is not known; allowed: pass, ringback`},
		{Trunk{Session: Session{Expires: Seconds(60)}}, "session.expires", "is below min, which is PT1M30S"},
		{Trunk{Session: Session{Min: Seconds(9)}}, "session.min", "is not PT10S to PT24H"},
		{Trunk{Session: Session{Min: half}}, "session.min", "is not a number of whole seconds"},
		{Trunk{Session: Session{Expires: month}}, "session.expires", "is not a number of whole seconds"},
		{Trunk{Session: Session{Expires: Seconds(86401)}}, "session.expires", "is not PT10S to PT24H"},
	} {
		c.trunk.ID = "one"
		_, faults := NewTable(Spec{Trunks: []Trunk{c.trunk}})
		if len(faults) != 1 || faults[0].Path != "trunks[0]."+c.path || faults[0].Msg != c.msg {
			t.Errorf("%+v: %v, want %s %s", c.trunk, faults, c.path, c.msg)
		}
	}
	if _, faults := NewTable(Spec{Trunks: []Trunk{{ID: "one", Reliable: ReliableRequired, EarlyMedia: EarlyRingback,
		Session: Session{Expires: Seconds(600), Min: Seconds(120), Refresher: RefresherPeer}}}}); len(faults) > 0 {
		t.Error(faults)
	}
}

func TestDecisionSaysHowEarlyMediaGoes(t *testing.T) {
	for word, want := range map[string]bool{"": false, EarlyPass: false, EarlyRingback: true} {
		spec := good()
		spec.Trunks[0].EarlyMedia = word
		table, faults := NewTable(spec)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		d := table.Decide(Request{Trunk: spec.Trunks[0].ID, To: spec.Numbers[0].Number})
		if d.Reject != "" || d.Ringback != want {
			t.Errorf("early_media %q: reject %q, ringback %v", word, d.Reject, d.Ringback)
		}
	}
}
