//go:build interop

package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// Transfers: who is told what is judged by sipp and our own phones, who hears
// whom by the tones in the recordings, one file for each segment.

// thirdHz is what the one plays who comes by a transfer.
const thirdHz = 750

// pbxTrunk is a PBX at two addresses that may transfer names at its own place.
const pbxTrunk = `  - {id: pbx, sources: [%[1]s, %[2]s], targets: [{uri: "sip:%[3]s"}], transfer: {allow: true, timeout: PT10S}}
`

// segments exports the recordings of a call in the order they were begun.
func (n *node) segments(t *testing.T, s *story, dir string) (all [][][]int16) {
	t.Helper()
	for _, e := range s.events {
		if e.Type != "recording.started" {
			continue
		}
		if e.Data.Segment != len(all)+1 {
			t.Errorf("segment %d is told as %d", len(all)+1, e.Data.Segment)
		}
		n.ask(t, "recordings", "verify", e.Data.Recording)
		file := filepath.Join(dir, fmt.Sprintf("segment%d.wav", len(all)+1))
		n.ask(t, "recordings", "export", e.Data.Recording, "--force", "--out", file)
		all = append(all, readWAV(t, file))
	}
	return all
}

// singing wants a channel to hold one tone and nothing of another.
func singing(t *testing.T, what string, piece []int16, own, other float64) {
	t.Helper()
	if mine, theirs := heard(piece, own, other); mine < 0.98 || theirs > 0.05 {
		t.Errorf("%s: its own tone is in %.4f of %d ms, the other's has up to %.4f of a frame", what, mine, ms(piece), theirs)
	}
}

// TestBlindTransferBySipp: sipp as a PBX phone sends a REFER to an extension at
// another address of its trunk, and checks each NOTIFY and the BYE; the caller
// talks on with the extension, in the second segment of the recording.
func TestBlindTransferBySipp(t *testing.T) {
	const net = "127.0.151"
	agent, extension := freePort(t, net+".3"), freePort(t, net+".4")
	n := newNode(t, plan{Host: net + ".1", Sources: net + ".2", Agent: agent,
		Trunks: fmt.Sprintf(pbxTrunk, net+".3", net+".4", agent), To: `{number: "+4722000001", trunk: pbx}`})
	n.start(t)
	dir := sippDir(t)
	must(t, "sox", "-n", "-r", strconv.Itoa(rate), "-c", "1", "-e", "a-law", "-b", "8", "-t", "raw",
		filepath.Join(dir, "third.alaw"), "synth", "10", "sine", strconv.Itoa(thirdHz), "vol", "0.5")
	edit(t, filepath.Join(dir, "destination_refers.xml"), "EXTENSION", extension)
	edit(t, filepath.Join(dir, "destination.xml"), "callee.alaw", "third.alaw")
	uas := sipp(t, dir, "destination_refers.xml", net+".3", agent, "-t", "u1", "-m", "1")
	third := sipp(t, dir, "destination.xml", net+".4", extension, "-t", "u1", "-m", "1")
	uac := sipp(t, dir, "carrier.xml", net+".2", freePort(t, net+".2"), "-t", "u1", "-m", "1", n.SIP)
	for name, p := range map[string]*program{"carrier": uac, "PBX phone": uas, "extension": third} {
		if code := p.code(t, time.Minute); code != 0 {
			t.Errorf("sipp as %s: exit %d; it said\n%s\nserve said\n%s", name, code, p.out.tail(), n.out.tail())
		}
	}
	s := n.settled(t, 1)[0]
	s.whole(t)
	end := s.last("call.ended")
	if end.Status != "completed" || end.EndedBy != "caller" || end.Transfers != 1 || end.TalkMS < talk.Milliseconds()-200 || end.BillableMS != end.TalkMS {
		t.Errorf("end %+v", end)
	}
	if s.count("call.transfer.requested") != 1 || s.count("call.transferred") != 1 || s.count("leg.ended") != 3 {
		t.Errorf("events %v", s.kinds())
	}
	segments := n.segments(t, s, dir)
	if len(segments) != 2 {
		t.Fatalf("%d segments", len(segments))
	}
	singing(t, "caller before", segments[0][0], callerHz, calleeHz)
	singing(t, "callee before", segments[0][1], calleeHz, thirdHz)
	singing(t, "caller after", segments[1][0], callerHz, thirdHz)
	singing(t, "callee after", segments[1][1], thirdHz, calleeHz)
	if lost := end.TalkMS - ms(segments[0][0]) - ms(segments[1][0]); lost < -100 || lost > 100 {
		t.Errorf("the segments have %d and %d ms of %d ms talked", ms(segments[0][0]), ms(segments[1][0]), end.TalkMS)
	}
	if why := n.ask(t, "why", s.id); !strings.Contains(why, "put through") {
		t.Errorf("why says nothing of the transfer:\n%s", why)
	}
	n.stop(t)
}

// edit replaces a word in a file of the test's own.
func edit(t *testing.T, file, old, now string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil && !strings.Contains(string(b), old) {
		err = fmt.Errorf("%s holds no %q", file, old)
	}
	if err == nil {
		err = os.WriteFile(file, []byte(strings.ReplaceAll(string(b), old, now)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// kinds are the types of a call's events, in order.
func (s *story) kinds() (all []string) {
	for _, e := range s.events {
		all = append(all, e.Type)
	}
	return all
}

// office is a carrier's phone and a PBX of three of our own phones at a node.
type office struct {
	*node
	ctx                  context.Context
	carrier, agent, boss *siptest.Phone
	rung                 map[*siptest.Phone]chan *siptest.Dialog
}

// newOffice starts them; agent is where the number leads.
func newOffice(t *testing.T, net, policy string) *office {
	t.Helper()
	agent := freePort(t, net+".3")
	trunk := fmt.Sprintf(pbxTrunk, net+".3", net+".4", agent)
	n := newNode(t, plan{Host: net + ".1", Sources: net + ".2", Agent: agent,
		Trunks: strings.Replace(trunk, "allow: true, timeout: PT10S", policy, 1), To: `{number: "+4722000001", trunk: pbx}`})
	n.start(t)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	o := &office{node: n, ctx: ctx, rung: map[*siptest.Phone]chan *siptest.Dialog{}}
	o.carrier = o.phone(t, "carrier", net+".2:0", callerHz)
	o.agent = o.phone(t, "agent", agent, calleeHz)
	o.boss = o.phone(t, "201", net+".4:0", thirdHz)
	return o
}

func (o *office) phone(t *testing.T, user, address string, hz float64) *siptest.Phone {
	t.Helper()
	p := newPhone(t, siptest.Config{User: user, Codecs: []siptest.Codec{siptest.PCMA}, Play: siptest.Tone(hz)}, address)
	rung := make(chan *siptest.Dialog, 8)
	o.rung[p] = rung
	p.OnInvite(func(in *siptest.Incoming) {
		if in.Ring() != nil {
			return // cancelled already
		}
		if d, err := in.Answer(siptest.AnswerOptions{}); err == nil {
			rung <- d
		}
	})
	return p
}

// dial calls the number from a phone and returns both ends.
func (o *office) dial(t *testing.T, from *siptest.Phone) (a, b *siptest.Dialog) {
	t.Helper()
	a, err := from.Call(o.ctx, o.uri(), siptest.CallOptions{})
	if err == nil {
		err = a.Answered(o.ctx)
	}
	if err != nil {
		t.Fatalf("call: %v; serve said\n%s", err, o.out.tail())
	}
	return a, o.taken(t, o.agent)
}

func (o *office) taken(t *testing.T, by *siptest.Phone) *siptest.Dialog {
	t.Helper()
	select {
	case d := <-o.rung[by]:
		return d
	case <-o.ctx.Done():
		t.Fatalf("it never rang; serve said\n%s", o.out.tail())
		return nil
	}
}

// gone waits until a dialog was ended by the node.
func (o *office) gone(t *testing.T, what string, d *siptest.Dialog) {
	t.Helper()
	if end, err := d.Wait(o.ctx); err != nil || end.By != "remote" {
		t.Errorf("%s ended by %q: %v; serve said\n%s", what, end.By, err, o.out.tail())
	}
}

// talking waits until both hear each other anew.
func (o *office) talking(t *testing.T, a, b *siptest.Dialog) {
	t.Helper()
	(&conversation{a, b}).hear(t, 100)
}

func (o *office) hangup(t *testing.T, d *siptest.Dialog) {
	t.Helper()
	if err := d.Hangup(o.ctx); err != nil {
		t.Errorf("hang up: %v", err)
	}
}

func told(d *siptest.Dialog) (all []int) {
	for _, n := range d.Notices() {
		all = append(all, n.Status)
	}
	return all
}

const mayTransfer = "allow: true, timeout: PT10S"

// TestTransfersByPhones: our own phones refer, are referred, replace and hang up
// at any moment; each also holds every message we send against the RFCs.
func TestTransfersByPhones(t *testing.T) {
	t.Run("blind by the callee", func(t *testing.T) {
		o := newOffice(t, "127.0.152", mayTransfer)
		a, b := o.dial(t, o.carrier)
		r, err := b.Refer(o.ctx, o.boss.URI())
		if err != nil || r.Status != 202 {
			t.Fatalf("REFER: %+v, %v", r, err)
		}
		c := o.taken(t, o.boss)
		o.gone(t, "the referrer's call", b)
		if got := fmt.Sprint(told(b)); got != "[100 180 200]" {
			t.Errorf("NOTIFYs %s", got)
		}
		o.talking(t, a, c)
		o.hangup(t, c)
		o.gone(t, "the caller's call", a)
		s := o.settled(t, 1)[0]
		if end := s.last("call.ended"); end.EndedBy != "callee" || end.Transfers != 1 {
			t.Errorf("end %+v", end)
		}
		o.stop(t)
	})
	t.Run("blind by the caller, of a PBX", func(t *testing.T) {
		o := newOffice(t, "127.0.153", mayTransfer)
		a, b := o.dial(t, o.agent) // a phone of the PBX calls the number, and another line of it answers
		o.talking(t, a, b)
		if r, err := a.Refer(o.ctx, o.boss.URI()); err != nil || r.Status != 202 {
			t.Fatalf("REFER: %+v, %v", r, err)
		}
		c := o.taken(t, o.boss)
		o.gone(t, "the referrer's call", a)
		o.talking(t, b, c)
		o.hangup(t, c)
		o.gone(t, "the other's call", b)
		s := o.settled(t, 1)[0]
		if end := s.last("call.ended"); end.EndedBy != "caller" || end.Transfers != 1 {
			t.Errorf("end %+v", end)
		}
		segments := o.segments(t, s, t.TempDir())
		if len(segments) == 2 {
			singing(t, "the new caller", segments[1][0], thirdHz, calleeHz)
		} else {
			t.Errorf("%d segments", len(segments))
		}
		o.stop(t)
	})
	t.Run("the referrer hangs up at once", func(t *testing.T) {
		o := newOffice(t, "127.0.154", mayTransfer)
		a, b := o.dial(t, o.carrier)
		if r, err := b.Refer(o.ctx, o.boss.URI(), siptest.Field{Name: "Refer-Sub", Value: "false"}); err != nil || r.Status != 202 || r.Get("Refer-Sub") != "false" {
			t.Fatalf("REFER: %+v, %v", r, err)
		}
		o.hangup(t, b)
		c := o.taken(t, o.boss)
		o.talking(t, a, c)
		o.hangup(t, a)
		o.gone(t, "the newcomer's call", c)
		if n := told(b); len(n) != 0 {
			t.Errorf("NOTIFYs %v although none were wanted", n)
		}
		o.settled(t, 1)[0].whole(t)
		o.stop(t)
	})
	t.Run("the target is busy", func(t *testing.T) {
		o := newOffice(t, "127.0.155", mayTransfer)
		a, b := o.dial(t, o.carrier)
		o.boss.OnInvite(func(in *siptest.Incoming) { in.Decline(486) })
		if r, err := b.Refer(o.ctx, o.boss.URI()); err != nil || r.Status != 202 {
			t.Fatalf("REFER: %+v, %v", r, err)
		}
		eventually(t, limit, "the last NOTIFY", func() bool { return len(b.Notices()) > 1 })
		if got := fmt.Sprint(told(b)); got != "[100 486]" {
			t.Errorf("NOTIFYs %s", got)
		}
		o.talking(t, a, b)
		o.hangup(t, a)
		s := o.settled(t, 1)[0]
		s.completed(t) // one recording, one call
		if s.count("call.transfer.failed") != 1 || s.last("call.ended").Transfers != 0 {
			t.Errorf("events %v", s.kinds())
		}
		o.stop(t)
	})
	t.Run("not allowed, and numbers not at all", func(t *testing.T) {
		for i, policy := range []string{"allow: false", mayTransfer} {
			o := newOffice(t, fmt.Sprintf("127.0.%d", 156+i), policy)
			a, b := o.dial(t, o.carrier)
			target := o.boss.URI()
			if i == 1 {
				target = "sip:+882135555555@" + o.SIP
			}
			if r, err := b.Refer(o.ctx, target); err != nil || r.Status != 403 {
				t.Errorf("REFER: %+v, %v", r, err)
			}
			o.talking(t, a, b)
			o.hangup(t, a)
			s := o.settled(t, 1)[0]
			if s.last("call.transfer.requested").Reason != "transfer-not-allowed" {
				t.Errorf("events %v", s.kinds())
			}
			o.stop(t)
		}
	})
	t.Run("attended, by another call of ours", func(t *testing.T) {
		o := newOffice(t, "127.0.158", mayTransfer)
		a, b := o.dial(t, o.carrier)   // the customer with the agent
		ask, boss := o.dial(t, o.boss) // the boss's phone rings the number; the agent takes it, then gives the customer to him
		o.talking(t, ask, boss)
		// The agent has two calls, b and boss; the one behind boss is to take b's place.
		r, err := b.Refer(o.ctx, siptest.WithReplaces("sip:201@"+o.SIP, boss.Replaces()))
		if err != nil || r.Status != 202 {
			t.Fatalf("REFER: %+v, %v", r, err)
		}
		o.gone(t, "the agent's call with the customer", b)
		o.gone(t, "the agent's call with the boss", boss)
		if got := told(b); len(got) == 0 || got[len(got)-1] != 200 {
			t.Errorf("NOTIFYs %v", got)
		}
		o.talking(t, a, ask)
		o.hangup(t, a)
		o.gone(t, "the boss's call", ask)
		joined, ended := 0, 0
		for _, s := range o.settled(t, 2) {
			s.whole(t)
			for _, e := range s.events {
				if e.Type == "call.transferred" && e.Data.FromCall != "" {
					joined++
				}
				if e.Type == "call.transferred" && e.Data.ToCall != "" {
					ended++
				}
			}
		}
		if joined != 1 || ended != 1 {
			t.Errorf("joined %d times, given %d times", joined, ended)
		}
		o.stop(t)
	})
	t.Run("attended, by a dialog of the PBX's own", func(t *testing.T) {
		o := newOffice(t, "127.0.159", mayTransfer)
		a, b := o.dial(t, o.carrier)
		const dialog = "own-call@pbx;to-tag=boss;from-tag=agent"
		asked := make(chan string, 1)
		o.boss.OnInvite(func(in *siptest.Incoming) {
			asked <- in.Request().Get("Replaces")
			if d, err := in.Answer(siptest.AnswerOptions{}); err == nil {
				o.rung[o.boss] <- d
			}
		})
		if r, err := b.Refer(o.ctx, siptest.WithReplaces(o.boss.URI(), dialog)); err != nil || r.Status != 202 {
			t.Fatalf("REFER: %+v, %v", r, err)
		}
		c := o.taken(t, o.boss)
		if got := <-asked; got != dialog {
			t.Errorf("Replaces: %s", got)
		}
		o.gone(t, "the referrer's call", b)
		o.talking(t, a, c)
		o.hangup(t, a)
		o.gone(t, "the newcomer's call", c)
		o.settled(t, 1)[0].whole(t)
		o.stop(t)
	})
	t.Run("INVITE with Replaces", func(t *testing.T) {
		o := newOffice(t, "127.0.160", mayTransfer)
		a, b := o.dial(t, o.carrier)
		o.talking(t, a, b)
		c, err := o.boss.Call(o.ctx, "sip:pickup@"+o.SIP, siptest.CallOptions{Fields: []siptest.Field{{Name: "Replaces", Value: b.Replaces()}, {Name: "Require", Value: "replaces"}}})
		if err == nil {
			err = c.Answered(o.ctx)
		}
		if err != nil {
			t.Fatalf("INVITE with Replaces: %v; serve said\n%s", err, o.out.tail())
		}
		o.gone(t, "the one replaced", b)
		o.talking(t, a, c)
		o.hangup(t, c)
		o.gone(t, "the caller's call", a)
		s := o.settled(t, 1)[0]
		s.whole(t)
		if end := s.last("call.ended"); end.EndedBy != "callee" || end.Transfers != 1 {
			t.Errorf("end %+v", end)
		}
		segments := o.segments(t, s, t.TempDir())
		if len(segments) == 2 {
			singing(t, "the callee before", segments[0][1], calleeHz, thirdHz)
			singing(t, "the newcomer", segments[1][1], thirdHz, calleeHz)
		} else {
			t.Errorf("%d segments", len(segments))
		}
		o.stop(t)
	})
}

const bossIP = "10.77.0.4"

// TestPhoneTransfers has baresip put a caller through by its menu (it knows no
// attended transfer), three phones on hosts of their own.
func TestPhoneTransfers(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	n := newNode(t, plan{Host: nodeIP, Sources: callerIP, Trunks: fmt.Sprintf(pbxTrunk, calleeIP, bossIP, calleeIP+":5060"),
		To: `{uri: "sip:agent@` + calleeIP + `:5060", trunk: pbx}`, SIP: nodeIP + ":5060", HTTP: "127.0.0.1:8080", NATS: "127.0.0.1:4222"})
	n.inside = within(w.hub, "--net")
	n.start(t)
	callee := newSoftphone(t, w, dir, "agent", calleeIP, speak(t, dir, "agent", calleeText, "en+f3", 60))
	callee.start(t)
	boss := newSoftphone(t, w, dir, "201", bossIP, speak(t, dir, "201", calleeText, "en+m7", 60))
	boss.start(t)
	caller := newSoftphone(t, w, dir, "caller", callerIP, speak(t, dir, "caller", callerText, "en+m1", 60))
	caller.start(t, "-e", "d "+n.uri())
	caller.says(t, "Call established", 10*time.Second)
	time.Sleep(time.Second) // they talk
	callee.do(t, "transfer sip:201@"+bossIP)
	boss.says(t, "Call established", 10*time.Second)
	eventually(t, limit, "the end of the referrer's leg", func() bool { return count(n.stories(t), "leg.ended") == 1 })
	time.Sleep(2 * time.Second) // the caller and the boss talk
	caller.do(t, "hangup")
	s := n.settled(t, 1)[0]
	s.whole(t)
	if end := s.last("call.ended"); end.Status != "completed" || end.EndedBy != "caller" || end.Transfers != 1 ||
		end.Media.Callee.Packets < 120 || end.Media.Caller.Packets < 120 {
		t.Errorf("end %+v", end)
	}
	segments := n.segments(t, s, dir)
	if len(segments) != 2 {
		t.Fatalf("%d segments", len(segments))
	}
	says := readWAV(t, boss.Says)[0]
	if own := siptest.Match(segments[1][1], says[:3*rate]); own.Correlation < 0.9 {
		t.Errorf("the second segment is %.4f like what the boss said", own.Correlation)
	}
	n.stop(t)
}
