package locate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

var (
	// errSilent says that no server answered in time.
	errSilent = errors.New("no name server answered")
	// errServer says that servers answered and did not know.
	errServer = errors.New("name server failed")
	errAlias  = errors.New("too many aliases")
)

const (
	tries    = 3                      // UDP questions for one answer, over all servers
	oneTry   = 650 * time.Millisecond // of questionTimeout
	payload  = 1232                   // UDP answer that passes everywhere (RFC 9715)
	maxStray = 64                     // datagrams that are no answer, before a try is given up
)

// query asks the servers, along aliases.
func (r *Resolver) query(ctx context.Context, q question) answer {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	name, ttl := q.name, maxTTL
	for range maxAliases {
		msg, err := r.exchange(ctx, name, q.qtype)
		if err != nil {
			r.count.failed.Add(1)
			return answer{err: err, ttl: failedFor}
		}
		f := follow(msg, name, q.qtype)
		ttl = min(ttl, f.ttl)
		if f.next == "" || f.err != nil {
			return answer{records: f.records, ttl: ttl, err: f.err}
		}
		name = f.next
	}
	return answer{err: errAlias, ttl: failedFor}
}

// exchange puts one question to the servers until one answers it.
func (r *Resolver) exchange(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	trouble := errSilent
	for i := range tries {
		if ctx.Err() != nil {
			break
		}
		server := r.o.Servers[i%len(r.o.Servers)]
		msg, err := r.try(ctx, server, name, qtype)
		if err == nil && (msg.Rcode == dns.RcodeSuccess || msg.Rcode == dns.RcodeNameError) {
			return msg, nil
		}
		if err == nil {
			trouble = fmt.Errorf("%w: %s", errServer, dns.RcodeToString[msg.Rcode])
			if i+1 >= len(r.o.Servers) { // every one was asked, one at least knows that it does not know
				break
			}
		}
	}
	return nil, trouble
}

// try asks one server, over TCP too when the answer does not fit a datagram.
func (r *Resolver) try(ctx context.Context, server netip.AddrPort, name string, qtype uint16) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, oneTry)
	defer cancel()
	msg, err := r.over(ctx, "udp", server, name, qtype, true)
	if err == nil && (msg.Rcode == dns.RcodeFormatError || msg.Rcode == dns.RcodeNotImplemented) {
		msg, err = r.over(ctx, "udp", server, name, qtype, false) // a server from before EDNS (RFC 6891 7)
	}
	if err == nil && msg.Truncated {
		msg, err = r.over(ctx, "tcp", server, name, qtype, true)
	}
	return msg, err
}

// over asks one server over one transport. The id is random, and with UDP so is
// our port: only who sees the question can answer it.
func (r *Resolver) over(ctx context.Context, network string, server netip.AddrPort, name string, qtype uint16, edns bool) (*dns.Msg, error) {
	r.count.asked.Add(1)
	conn, err := r.o.Dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if at, ok := ctx.Deadline(); ok {
		conn.SetDeadline(at)
	}
	ask := new(dns.Msg)
	ask.SetQuestion(name, qtype) // with an id from crypto/rand
	if edns {
		ask.SetEdns0(payload, false)
	}
	b, err := ask.Pack()
	if err != nil {
		return nil, err
	}
	if network == "tcp" {
		return overStream(conn, ask, b)
	}
	if _, err := conn.Write(b); err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	for range maxStray {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if msg, ok := read(ask, buf[:n]); ok {
			return msg, nil
		}
		r.count.stray.Add(1) // not ours: go on waiting for the one that is
	}
	return nil, errSilent
}

func overStream(conn net.Conn, ask *dns.Msg, b []byte) (*dns.Msg, error) {
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
	if _, err := conn.Write(framed); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return nil, err
	}
	msg, ok := read(ask, buf)
	if !ok {
		return nil, fmt.Errorf("%w: another answer", errServer)
	}
	return msg, nil
}

// read parses a message and reports whether it answers ask.
func read(ask *dns.Msg, b []byte) (*dns.Msg, bool) {
	msg := new(dns.Msg)
	if msg.Unpack(b) != nil || !msg.Response || msg.Id != ask.Id || msg.Opcode != dns.OpcodeQuery || len(msg.Question) != 1 {
		return nil, false
	}
	got, want := msg.Question[0], ask.Question[0]
	return msg, got.Qtype == want.Qtype && got.Qclass == want.Qclass && strings.EqualFold(got.Name, want.Name)
}

// following is what an answer says of a name.
type following struct {
	records []dns.RR
	next    string // the name to ask about, when the answer ends in an alias
	ttl     time.Duration
	err     error
}

// follow takes the records of the name asked for out of an answer, along its
// aliases, and nothing that stands beside them.
func follow(msg *dns.Msg, name string, qtype uint16) following {
	f := following{ttl: maxTTL}
	asked := name
	for range maxAliases + 1 {
		var alias *dns.CNAME
		for _, rr := range msg.Answer {
			h := rr.Header()
			if h.Class != dns.ClassINET || dns.CanonicalName(h.Name) != name {
				continue
			}
			if c, ok := rr.(*dns.CNAME); ok && alias == nil {
				alias = c
			}
			if h.Rrtype == qtype && len(f.records) < maxRecords {
				f.records = append(f.records, rr)
				f.ttl = min(f.ttl, seconds(h.Ttl))
			}
		}
		switch {
		case len(f.records) > 0:
			return f
		case alias == nil && name != asked && msg.Rcode == dns.RcodeSuccess && soa(msg) == nil:
			f.next = name
			return f
		case alias == nil:
			f.ttl = min(f.ttl, negative(msg))
			return f
		}
		f.ttl = min(f.ttl, seconds(alias.Hdr.Ttl))
		name = dns.CanonicalName(alias.Target)
	}
	return following{err: errAlias, ttl: failedFor}
}

// seconds is a TTL; one above 2^31 counts as 0 (RFC 2181 8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

func soa(msg *dns.Msg) *dns.SOA {
	for _, rr := range msg.Ns {
		if s, ok := rr.(*dns.SOA); ok {
			return s
		}
	}
	return nil
}

// negative is how long that there is nothing may be kept (RFC 2308 5).
func negative(msg *dns.Msg) time.Duration {
	s := soa(msg)
	if s == nil {
		return noSOA
	}
	return min(seconds(s.Hdr.Ttl), seconds(s.Minttl), maxNegative)
}
