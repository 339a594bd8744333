// Package dnstest is a name server for tests: records in the text form of a
// zone file, on real sockets or in memory, and the faults that servers have.
package dnstest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Zone answers for the records it was given and denies all others. Its faults
// are to be set before it is asked or between questions, by [Zone.Set].
type Zone struct {
	mu      sync.Mutex
	records []dns.RR
	faults  Faults
	asked   map[string]int
}

// Faults are what may go wrong with a server.
type Faults struct {
	Silent    bool          // does not answer
	Rcode     int           // answers with this and nothing else
	Truncated bool          // over UDP says that its answer does not fit
	NoEDNS    bool          // answers FORMERR to EDNS, as servers of old did
	Delay     time.Duration // before each answer
	Forged    [][]byte      // datagrams sent before the right one
	Spoil     func(*dns.Msg)
}

// New makes a zone of lines such as "pbx.test. 60 IN A 192.0.2.1".
func New(lines ...string) (*Zone, error) {
	z := &Zone{asked: map[string]int{}}
	return z, z.Replace(lines...)
}

// Replace puts other records in the place of all.
func (z *Zone) Replace(lines ...string) error {
	var records []dns.RR
	for _, l := range lines {
		rr, err := dns.NewRR(l)
		if err != nil {
			return fmt.Errorf("record %q: %w", l, err)
		}
		records = append(records, rr)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = records
	return nil
}

// Set changes what goes wrong.
func (z *Zone) Set(f Faults) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.faults = f
}

// Asked is how often a question such as "pbx.test. A" came.
func (z *Zone) Asked(question string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked[question]
}

// answers returns the datagrams that answer one; the last is the true one.
func (z *Zone) answers(b []byte, stream bool) [][]byte {
	ask := new(dns.Msg)
	if ask.Unpack(b) != nil || len(ask.Question) != 1 {
		return nil
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	f, q := z.faults, ask.Question[0]
	z.asked[q.Name+" "+dns.TypeToString[q.Qtype]]++
	if f.Silent {
		return nil
	}
	res := new(dns.Msg)
	res.SetReply(ask)
	switch {
	case f.Rcode != 0:
		res.Rcode = f.Rcode
	case f.NoEDNS && ask.IsEdns0() != nil:
		res.Rcode = dns.RcodeFormatError
	case f.Truncated && !stream:
		res.Truncated = true
	default:
		z.fill(res, q)
	}
	if f.Spoil != nil {
		f.Spoil(res)
	}
	out, err := res.Pack()
	if err != nil {
		return nil
	}
	var all [][]byte
	if !stream {
		all = append(all, f.Forged...)
	}
	return append(all, out)
}

// fill adds the records of the name, along aliases.
func (z *Zone) fill(res *dns.Msg, q dns.Question) {
	name, known := dns.CanonicalName(q.Name), false
	for range 20 {
		next := ""
		for _, rr := range z.records {
			h := rr.Header()
			if dns.CanonicalName(h.Name) != name {
				continue
			}
			known = true
			alias, isAlias := rr.(*dns.CNAME)
			if h.Rrtype == q.Qtype || isAlias {
				res.Answer = append(res.Answer, dns.Copy(rr))
			}
			if isAlias {
				next = dns.CanonicalName(alias.Target)
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	for _, rr := range z.records {
		if rr.Header().Rrtype == dns.TypeSOA && len(res.Answer) == 0 {
			res.Ns = append(res.Ns, dns.Copy(rr))
		}
	}
	if !known {
		res.Rcode = dns.RcodeNameError
	}
}

func (z *Zone) delay() time.Duration {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.faults.Delay
}

// Serve answers on a socket until it is closed.
func (z *Zone) Serve(pc net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		time.Sleep(z.delay())
		for _, a := range z.answers(buf[:n], false) {
			pc.WriteTo(a, from)
		}
	}
}

// ServeStreams answers on connections until the listener is closed.
func (z *Zone) ServeStreams(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go z.stream(c) // ends with the connection
	}
}

func (z *Zone) stream(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		time.Sleep(z.delay())
		for _, a := range z.answers(b, true) {
			c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
		}
	}
}

// Dial is a way to the zone in memory, for locate.Options.
func (z *Zone) Dial(_ context.Context, network string, _ netip.AddrPort) (net.Conn, error) {
	ours, theirs := net.Pipe()
	if network == "tcp" {
		go z.stream(theirs) // ends with the connection
		return ours, nil
	}
	go func() { // the same
		defer theirs.Close()
		buf := make([]byte, 4096)
		for {
			n, err := theirs.Read(buf)
			if err != nil {
				return
			}
			time.Sleep(z.delay())
			for _, a := range z.answers(buf[:n], false) {
				if _, err := theirs.Write(a); err != nil {
					return
				}
			}
		}
	}()
	return ours, nil
}
