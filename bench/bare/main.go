// Command bare is the product's media path without signalling: its pool of ports,
// its relays and, when told where to, its recorder with encryption and files. The
// media bench drives it as it drives any other relay, from outside:
//
//	-> {"open":{"caller":"127.0.0.1:4000","callee":"127.0.0.1:5000"}}
//	<- {"id":1,"caller":"127.0.0.1:20002","callee":"127.0.0.1:20014"}     where each of them is to send
//	-> {"close":1}
//	<- {"id":1,"packets":1500,"drops":0}
//	-> {"stats":true}
//	<- {"relays":0,"packets":1500,"drops":0,"late":2,"panics":0}
//
// A line of input is answered by one of output, an {"error":...} when it cannot be
// done. The end of the input ends the program, with everything closed.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"ringdown/media"
	"ringdown/media/relay"
	"ringdown/media/sdp"
	"ringdown/recorder"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

// order is one line of input.
type order struct {
	Open  *ends `json:"open"`
	Close int   `json:"close"`
	Stats bool  `json:"stats"`
}

// ends are the addresses of a call's two parties, or ours towards them.
type ends struct {
	Caller netip.AddrPort `json:"caller"`
	Callee netip.AddrPort `json:"callee"`
}

// opened, closed and stats are the answers.
type opened struct {
	ID int `json:"id"`
	ends
}

type closed struct {
	ID      int    `json:"id"`
	Packets uint64 `json:"packets"`
	Drops   uint64 `json:"drops"`
}

type stats struct {
	Relays  int    `json:"relays"`
	Packets uint64 `json:"packets"`
	Drops   uint64 `json:"drops"`
	Late    uint64 `json:"late"`
	Panics  uint64 `json:"panics"`
	Lost    uint64 `json:"recording_lost"` // packets that a recording could not keep
}

// path is the media path.
type path struct {
	pool  *relay.Pool
	tape  *tape // nil: nothing is recorded
	calls map[int]*held
	last  int
}

// held is a call.
type held struct {
	relay *relay.Relay
	rec   *recorder.Recording // nil: it is not recorded
}

func run(args []string, in io.Reader, out, errs io.Writer) error {
	f := flag.NewFlagSet("bare", flag.ContinueOnError)
	f.SetOutput(errs)
	address := f.String("address", "127.0.0.1", "where media ports are bound")
	ports := f.String("ports", "10000-31999", "media ports")
	engine := f.String("engine", "portable", "auto, kernel or portable")
	record := f.String("record", "", "folder for recordings and keys; empty: nothing is recorded")
	if err := f.Parse(args); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	p := &path{calls: map[int]*held{}}
	var err error
	if p.pool, err = relay.NewPool(relay.Config{Address: *address, Ports: *ports, Engine: *engine}, nil, log); err != nil {
		return err
	}
	if *record != "" {
		if p.tape, err = newTape(*record, log); err != nil {
			return errors.Join(err, p.pool.Close())
		}
	}
	return errors.Join(p.serve(in, out), p.end())
}

// serve answers one line after the other.
func (p *path) serve(in io.Reader, out io.Writer) error {
	answers := json.NewEncoder(out)
	for lines := bufio.NewScanner(in); ; {
		if !lines.Scan() {
			return lines.Err()
		}
		answer, err := p.obey(lines.Bytes())
		if err != nil {
			answer = map[string]string{"error": err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

func (p *path) obey(line []byte) (any, error) {
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return nil, err
	}
	switch {
	case o.Open != nil:
		return p.open(*o.Open)
	case o.Close != 0:
		return p.close(o.Close)
	case o.Stats:
		return p.stats(), nil
	}
	return nil, errors.New("neither open nor close nor stats")
}

// open makes a call between two addresses.
func (p *path) open(of ends) (opened, error) {
	p.last++
	id := fmt.Sprintf("call_%d", p.last)
	r, err := p.pool.NewRelay(id, nil)
	if err != nil {
		return opened{}, err
	}
	h := &held{relay: r}
	if p.tape != nil {
		if h.rec, err = p.tape.open(id, p.last); err != nil {
			r.Close()
			return opened{}, err
		}
		r.Tap(h.rec)
	}
	o := opened{ID: p.last}
	if o.ends, err = agree(r, of); err != nil {
		h.close()
		return opened{}, err
	}
	p.calls[p.last] = h
	return o, nil
}

// agree negotiates G.711 between two addresses and tells where each is to send.
func agree(r *relay.Relay, of ends) (ours ends, err error) {
	offer, err := r.Offer(media.Caller, description(of.Caller), media.Source{})
	if err != nil {
		return ours, err
	}
	answer, err := r.Answer(media.Callee, description(of.Callee), media.Source{})
	if err != nil {
		return ours, err
	}
	if ours.Callee, err = leads(offer); err != nil {
		return ours, err
	}
	ours.Caller, err = leads(answer)
	return ours, err
}

func description(a netip.AddrPort) []byte {
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]d RTP/AVP 0\r\n", a.Addr(), a.Port())
}

func leads(body []byte) (netip.AddrPort, error) {
	d, err := sdp.Parse(body)
	if err != nil {
		return netip.AddrPort{}, err
	}
	rtp, _ := d.Remote()
	return rtp, nil
}

func (h *held) close() media.Stats {
	s := h.relay.Close()
	if h.rec != nil {
		h.rec.Close(time.Now())
	}
	return s
}

func (p *path) close(id int) (closed, error) {
	h := p.calls[id]
	if h == nil {
		return closed{}, fmt.Errorf("no call %d", id)
	}
	delete(p.calls, id)
	s := h.relay.Close()
	if h.rec != nil {
		go h.rec.Close(time.Now()) // its file may take a while; recorder.Close waits for it
	}
	c := closed{ID: id}
	for _, side := range []media.Side{media.Caller, media.Callee} {
		f := s.Of(side)
		c.Packets += f.Packets
		for _, n := range f.Drops {
			c.Drops += n
		}
	}
	return c, nil
}

func (p *path) stats() stats {
	s := p.pool.Stats()
	out := stats{Relays: s.Relays, Packets: s.RTP, Panics: s.Panics, Late: s.Drops[media.DropQuarantine]}
	for d, n := range s.Drops {
		if media.Drop(d) != media.DropQuarantine {
			out.Drops += n
		}
	}
	if p.tape != nil {
		out.Lost = p.tape.lost()
	}
	return out
}

// end closes everything.
func (p *path) end() error {
	for _, h := range p.calls {
		h.close()
	}
	err := p.pool.Close()
	if p.tape != nil {
		err = errors.Join(err, p.tape.close())
	}
	return err
}
