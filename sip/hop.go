package sip

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

// hop is a place messages are sent to: one address through one socket or
// connection. It is the one place through which bytes leave.
type hop struct {
	ep      *Endpoint
	network string // "udp", "tcp", "tls", "ws", "wss"
	addr    netip.AddrPort
	socket  *socket // udp
	stream  *stream // the others
	listens uint16  // of a request by stream: the port its Via says the peer takes connections at
}

// marshal makes the bytes of m, to be kept, and counts it as sent if it is a response.
func (h *hop) marshal(m gosip.Message) ([]byte, error) {
	buf := h.ep.buffers.Get().(*bytes.Buffer)
	defer h.ep.buffers.Put(buf)
	b, err := h.marshalTo(buf, m)
	return bytes.Clone(b), err
}

func (h *hop) marshalTo(buf *bytes.Buffer, m gosip.Message) ([]byte, error) {
	b, err := serialise(buf, m)
	if err != nil {
		h.ep.count.drop("egress")
		h.ep.log.Error("sip message not sent", "err", err)
		return nil, err
	}
	if res, ok := m.(*gosip.Response); ok {
		h.ep.count.add(h.ep.count.responses, class(res.StatusCode))
	}
	return b, nil
}

func (h *hop) writeBytes(b []byte) (err error) {
	if h.stream == nil {
		_, err = h.socket.pc.WriteTo(b, net.UDPAddrFromAddrPort(h.addr))
	} else if err = net.ErrClosed; h.reachable() {
		err = h.stream.send(b)
	}
	if err != nil && h.stream != nil && h.stream.accepted && bytes.HasPrefix(b, []byte("SIP/2.0 ")) {
		err = h.sendBack(b)
	}
	if err != nil {
		h.ep.count.drop("send")
	}
	return err
}

// private reports whether nobody on the way to the next hop can read what is sent.
func (h *hop) private() bool { return h.network == "tls" || h.network == "wss" }

func (h *hop) to(a netip.AddrPort) *hop  { c := *h; c.addr = a; return &c }
func (h *hop) transport() (upper string) { return strings.ToUpper(h.network) }
func (h *hop) reachable() bool           { return h.stream == nil || !h.stream.gone.Load() }

// peerNames are the identities of the certificate that the peer has shown and
// that was verified, in the form of [routing.CertName]. Empty: it has shown none.
func (h *hop) peerNames() []string {
	if h.stream == nil {
		return nil
	}
	return h.stream.names
}

// trunk is whom the peer belongs to: by its certificate, or else by its address.
func (h *hop) trunk() (id string, ok bool) {
	id = evidence{certificate: h.certified(), source: h.addressed()}.trunk()
	return id, id != ""
}

func (h *hop) local() netip.AddrPort {
	if h.stream != nil {
		return h.stream.local
	}
	return h.socket.local
}

// sentBy is how we name ourselves towards this hop: the host that its network
// is told, the port that is bound.
func (h *hop) sentBy() (host string, port int) {
	local := h.local()
	port = int(local.Port())
	if h.stream != nil {
		if p := h.ep.listensAt(h.network, local.Addr()); p != 0 {
			port = p // not the port of a connection we dialled
		}
	}
	return h.ep.views.host(h.addr.Addr(), local.Addr()), port
}

// listensAt is the port where others reach us by a network, at the same address
// if we listen there; 0: nowhere.
func (e *Endpoint) listensAt(network string, ip netip.Addr) (port int) {
	for _, l := range e.listeners {
		switch {
		case l.network != network:
		case l.local.Addr() == ip:
			return int(l.local.Port())
		case port == 0 && l.local.Addr().Is4() == ip.Is4():
			port = int(l.local.Port())
		}
	}
	return port
}

func (h *hop) via(branch string) *gosip.ViaHeader {
	host, port := h.sentBy()
	return &gosip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: h.transport(), Host: host, Port: port,
		Params: gosip.HeaderParams{{K: "branch", V: branch}, {K: "rport"}},
	}
}

func (h *hop) contact() *gosip.ContactHeader {
	host, port := h.sentBy()
	uri := gosip.Uri{Scheme: "sip", Host: host, Port: port}
	if h.stream != nil {
		transport := h.network
		if isWeb(transport) {
			transport = "ws" // with and without TLS (RFC 7118 5.2)
		}
		uri.UriParams = gosip.HeaderParams{{K: "transport", V: transport}}
	}
	return &gosip.ContactHeader{Address: uri}
}

// hold keeps a connection open through silence while a leg, or whoever else
// needs it, uses it; every hold(1) is matched by a hold(-1).
func (h *hop) hold(n int32) {
	if h.stream != nil {
		h.stream.users.Add(n)
	}
}

// send writes whole messages, one after the other.
func (s *stream) send(b []byte) error {
	s.write.Lock()
	defer s.write.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(streamWrite))
	_, err := s.conn.Write(b)
	if err != nil {
		s.raw.Close() // half a message may be out: nothing can follow it
	}
	return err
}
