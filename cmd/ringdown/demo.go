package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"ringdown/configs"
	"ringdown/events"
	"ringdown/events/natsbus"
	"ringdown/sip/siptest"
)

// The demo's two people. The number and the name are looked for on the disk afterwards.
const (
	demoNumber  = "+4721000001"
	demoCaller  = "+4799912345"
	demoDisplay = "Kari Nordmann"
	demoSetup   = 15 * time.Second // longest for the answer
	demoClosing = 20 * time.Second // longest for the last event
)

// demoConfig is a whole configuration; the same Load reads it that reads any other.
const demoConfig = `# Made by "ringdown demo".
node: {id: demo-1, region: eu, data_dir: %q}
sip: {listen: ["udp://%s", "tcp://%[2]s"]}
media: {address: 127.0.0.1, ports: 20000-29999, engine: portable}
http: {listen: "%s"}
trunks:
  - {id: softphones, sources: [127.0.0.0/8], media_rule: %s, number_format: {country: NO}}
accounts:
  - {id: demo, agency: demo-agency, recording: {mode: record-from-answer, channels: dual}, retention: P24M}
numbers:
  - {number: "%s", account: demo, flow: sales, attribution: {source: google-ads, campaign: autumn}}
flows:
  sales:
    - dial: {strategy: sequential, timeout: PT20S, targets: [{uri: "sip:agent@%s"}]}
`

func runDemo(ctx context.Context, args []string, s stdio) int {
	o := newOptions("demo", s)
	keep := o.String("keep", "", "keep everything in this `DIR`")
	asJSON := o.forPrograms()
	stay := o.Bool("serve", false, "leave the service and the answering phone running afterwards, for a call of your own")
	return o.run(args, nil, func([]string) error {
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		dir, forget, err := demoDir(*keep)
		if err != nil {
			return err
		}
		defer forget()
		d := &demo{dir: dir, s: s, quiet: *asJSON, stays: *stay, talk: 5 * time.Second, start: time.Now()}
		defer d.stop()
		if err := d.open(ctx); err != nil {
			return err
		}
		report, err := d.play(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			err = writeJSON(s.out, report)
		} else {
			err = report.write(s.out)
		}
		if err == nil && *stay {
			err = d.stay(ctx)
		}
		if err == nil && !report.OK {
			err = errSaid
		}
		return err
	})
}

// demoDir returns a directory to work in, and how to leave it.
func demoDir(keep string) (dir string, forget func(), err error) {
	if keep == "" {
		dir, err = os.MkdirTemp("", "ringdown-demo-")
		// The WAV stays: it is what a newcomer wants to hear.
		return dir, func() { os.RemoveAll(filepath.Join(dir, "data")) }, err
	}
	if left, err := os.ReadDir(keep); err == nil && len(left) > 0 {
		return "", nil, fmt.Errorf("--keep %s: there is something in it already", keep)
	}
	dir, err = filepath.Abs(keep)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	return dir, func() {}, err
}

// demo is the real service, two phones and a reader of the event stream.
type demo struct {
	dir   string
	s     stdio
	quiet bool
	stays bool // for the user's own softphone
	talk  time.Duration
	start time.Time

	config         *configs.Config
	node           *node
	cancel         context.CancelFunc
	served         chan error // run's result
	caller, agent  *siptest.Phone
	callerSays     siptest.Source
	agentSays      siptest.Source
	agentDialogs   chan *siptest.Dialog
	out            sync.Mutex
	mu             sync.Mutex
	events         []demoEvent
	callOver, seen chan struct{} // closed: call.ended and the recording's end were read; the tail has ended
}

// demoEvent is an event as it was read back from JetStream.
type demoEvent struct {
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Call string          `json:"call"`
	Seq  uint64          `json:"seq"`
	Time time.Time       `json:"time"`
	Data json.RawMessage `json:"data"`
}

func (d *demo) say(format string, args ...any) {
	if d.quiet {
		return
	}
	d.out.Lock() // the event stream speaks up by itself
	defer d.out.Unlock()
	fmt.Fprintf(d.s.out, format+"\n", args...)
}

// open starts the service and the phones.
func (d *demo) open(ctx context.Context) error {
	agentConn, agentMedia, err := phoneSockets()
	if err != nil {
		return err
	}
	d.callerSays, d.agentSays = siptest.Tune(1), siptest.Tune(5)
	d.agentDialogs = make(chan *siptest.Dialog, 16)
	d.agent, err = siptest.New(siptest.Config{User: "agent", Conn: agentConn, Media: agentMedia, Play: d.agentSays})
	if err != nil {
		return err
	}
	d.agent.OnInvite(d.pickUp)
	sipAt, err := freeAddr()
	if err != nil {
		return err
	}
	httpAt, err := freeAddr()
	if err != nil {
		return err
	}
	file := filepath.Join(d.dir, "demo.yaml")
	text := fmt.Sprintf(demoConfig, filepath.Join(d.dir, "data"), sipAt, httpAt, d.rule(), demoNumber, d.agent.Addr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	if d.config, err = configs.Load(file); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(d.s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if d.node, err = openNode(d.config, log); err != nil {
		return err
	}
	if err := d.serve(ctx); err != nil {
		return err
	}
	conn, media, err := phoneSockets()
	if err != nil {
		return err
	}
	d.caller, err = siptest.New(siptest.Config{User: demoCaller, Display: `"` + demoDisplay + `"`, Conn: conn, Media: media, Play: d.callerSays})
	return err
}

// rule is how the source of RTP is known. Softphones write another address in
// their description than they send from on this machine; our own phones do not.
func (d *demo) rule() string {
	if d.stays {
		return "latch"
	}
	return "strict"
}

// serve runs the node aside and returns when it takes calls.
func (d *demo) serve(ctx context.Context) error {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.cancel = cancel
	d.served = make(chan error, 1)
	ready := make(chan struct{})
	go func() { d.served <- d.node.run(life, life, time.Minute, func() { close(ready) }) }() // ended by stop
	select {
	case <-ready:
		return nil
	case err := <-d.served:
		d.served <- err
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pickUp is the answering phone: it rings for a moment and answers.
func (d *demo) pickUp(in *siptest.Incoming) {
	if in.Ring() != nil {
		return
	}
	select {
	case <-time.After(400 * time.Millisecond):
	case <-in.Cancelled():
		return
	}
	if dialog, err := in.Answer(siptest.AnswerOptions{}); err == nil {
		select {
		case d.agentDialogs <- dialog:
		default: // nobody counts calls after the demo's own
		}
	}
}

// play makes the call and gathers everything there is to check.
func (d *demo) play(ctx context.Context) (*demoReport, error) {
	tailing, stopTail := context.WithCancel(ctx)
	defer stopTail()
	d.tail(tailing)
	uri := "sip:" + demoNumber + "@" + strings.TrimPrefix(d.config.SIP.Listen[0], "udp://")
	d.say("calling %s from a phone on this machine\n", uri)
	call, err := d.caller.Call(ctx, uri, siptest.CallOptions{})
	if err != nil {
		return nil, err
	}
	answering, cancel := context.WithTimeout(ctx, demoSetup)
	defer cancel()
	if err := call.Answered(answering); err != nil {
		return nil, fmt.Errorf("the call was not answered: %w", err)
	}
	var agent *siptest.Dialog
	select {
	case agent = <-d.agentDialogs:
	case <-answering.Done():
		return nil, errors.New("the call was answered, but not by the answering phone")
	}
	select {
	case <-time.After(d.talk):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := call.Hangup(ctx); err != nil {
		return nil, fmt.Errorf("the caller could not hang up: %w", err)
	}
	select {
	case <-d.callOver:
	case <-time.After(demoClosing):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	stopTail()
	<-d.seen
	return d.check(ctx, call, agent), nil
}

// tail reads the events back from JetStream and prints them as they come.
func (d *demo) tail(ctx context.Context) {
	d.callOver, d.seen = make(chan struct{}), make(chan struct{})
	var ended, sealed bool
	go func() { // ends with ctx
		defer close(d.seen)
		err := d.node.bus.Tail(ctx, natsbus.Filter{}, true, func(raw json.RawMessage) error {
			var e demoEvent
			if err := json.Unmarshal(raw, &e); err != nil {
				return err
			}
			d.mu.Lock()
			d.events = append(d.events, e)
			d.mu.Unlock()
			d.say("%7.3f s  %2d  %-20s %s", time.Since(d.start).Seconds(), e.Seq, e.Type, demoLine(e))
			over := ended && sealed
			ended = ended || e.Type == events.CallEnded
			sealed = sealed || e.Type == events.RecordingCompleted || e.Type == events.RecordingFailed
			if ended && sealed && !over {
				close(d.callOver)
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(d.s.err, "ringdown demo: the event stream ended: %v\n", err)
		}
	}()
}

// stay leaves the service to the user's own softphone.
func (d *demo) stay(ctx context.Context) error {
	d.say("\nThe service goes on. Call  sip:%s@%s  with a softphone on this machine; the agent's phone answers and plays a tune.\nCtrl-C ends it.",
		demoNumber, strings.TrimPrefix(d.config.SIP.Listen[0], "udp://"))
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.served:
		d.served <- err
		return err
	}
}

func (d *demo) stop() {
	for _, p := range []*siptest.Phone{d.caller, d.agent} {
		if p != nil {
			p.Close()
		}
	}
	if d.served != nil {
		d.cancel()
		<-d.served
	} else if d.node != nil {
		d.node.close()
	}
}

func phoneSockets() (signalling, media net.PacketConn, err error) {
	if signalling, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		return nil, nil, err
	}
	if media, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		signalling.Close()
	}
	return signalling, media, err
}

// freeAddr finds a port that is free for UDP and TCP now; the service binds it
// a moment later.
func freeAddr() (netip.AddrPort, error) {
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return netip.AddrPort{}, err
		}
		at := l.Addr().(*net.TCPAddr).AddrPort()
		p, err := net.ListenPacket("udp", at.String())
		l.Close()
		if err == nil {
			p.Close()
			return at, nil
		}
	}
	return netip.AddrPort{}, errors.New("no port on 127.0.0.1 is free for both UDP and TCP")
}
