package configs

import (
	"net/netip"
	"testing"

	"ringdown/routing"
)

// What quickstart.yaml promises in its first lines.
func TestQuickstart(t *testing.T) {
	c, err := Load("quickstart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	trunk, ok := c.Table().TrunkOf(netip.MustParseAddr("127.0.0.1"))
	if !ok {
		t.Fatal("a softphone on this machine is on no trunk")
	}
	for _, to := range []string{"+4721000001", "21000001"} {
		d := c.Table().Decide(routing.Request{Trunk: trunk, From: "alice", To: to})
		if d.Reject != "" || len(d.Targets) != 1 || d.Targets[0].URI != "sip:agent@127.0.0.1:5090" {
			t.Fatalf("%s:\n%s%v", to, d.Text(), d.Targets)
		}
		if d.Recording.Mode != routing.RecordFromAnswer || d.Recording.Channels != routing.Dual || d.Account != "demo" {
			t.Errorf("%s: %+v", to, d.Recording)
		}
	}
	if c.SIP.Listen[0] != "udp://127.0.0.1:5060" || c.HTTP.Listen != "127.0.0.1:8080" || !c.NATS.Embedded || c.NATS.Listen != "127.0.0.1:4222" {
		t.Errorf("listens on %v, %s, %s", c.SIP.Listen, c.HTTP.Listen, c.NATS.Listen)
	}
	if c.Keys.Dir != "ringdown-data/keys" || c.Keys.Region != "eu" || c.Outbox.Dir != "ringdown-data/outbox" || c.Outbox.Node != "edge-1" || c.NATS.Dir != "ringdown-data/nats" {
		t.Errorf("lives in %s, %s, %s", c.Keys.Dir, c.Outbox.Dir, c.NATS.Dir)
	}
}
