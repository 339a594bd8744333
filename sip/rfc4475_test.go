package sip

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringdown/call"
)

// torture says what becomes of each message of RFC 4475: the final status, 0
// for silence. Every number that is known to Ringdown's table is answered 404
// here, so 404 means that the INVITE was understood and routed.
var torture = map[string]struct {
	udp, tcp int
	why      string
}{
	"valid/wsinv.dat":      {481, 481, "understood in full; its To tag belongs to no dialog of ours"},
	"valid/intmeth.dat":    {0, 0, "understood by the RFC; NUL, BEL and DEL in a header are dropped by security 5.1"},
	"valid/esc01.dat":      {404, 404, "escapes in the user part"},
	"valid/escnull.dat":    {405, 405, "REGISTER"},
	"valid/esc02.dat":      {405, 405, "RE%47IST%45R is not REGISTER"},
	"valid/lwsdisp.dat":    {200, 200, "no white space between display name and <"},
	"valid/longreq.dat":    {0, 0, "understood by the RFC; 34 Vias are dropped by security 5.1"},
	"valid/dblreq.dat":     {405, 400, "the rest of the datagram is ignored; on a stream it is a second message without Content-Length"},
	"valid/semiuri.dat":    {200, 200, "semicolon in the user part"},
	"valid/transports.dat": {200, 200, "Via transports of all kinds"},
	"valid/mpart01.dat":    {405, 405, "MESSAGE"},
	"valid/unreason.dat":   {0, 0, "a response to nothing of ours"},
	"valid/noreason.dat":   {0, 0, "a response to nothing of ours"},

	"invalid/badinv01.dat":   {400, 400, "extraneous separators"},
	"invalid/clerr.dat":      {400, 0, "Content-Length beyond the datagram; on a stream the rest never comes"},
	"invalid/ncl.dat":        {400, 400, "negative Content-Length"},
	"invalid/scalar02.dat":   {400, 400, "scalars too large"},
	"invalid/scalarlg.dat":   {0, 0, "a response with scalars too large"},
	"invalid/quotbal.dat":    {400, 400, "unterminated quote"},
	"invalid/ltgtruri.dat":   {400, 400, "<> around the Request-URI"},
	"invalid/lwsruri.dat":    {400, 400, "white space in the Request-URI"},
	"invalid/lwsstart.dat":   {400, 400, "more than one space in the request line"},
	"invalid/trws.dat":       {400, 400, "space at the end of the request line"},
	"invalid/escruri.dat":    {400, 400, "headers in the Request-URI"},
	"invalid/baddate.dat":    {404, 404, "a Date nobody asked for may be ignored"},
	"invalid/regbadct.dat":   {405, 405, "REGISTER"},
	"invalid/badaspec.dat":   {400, 400, "spaces inside <>"},
	"invalid/baddn.dat":      {0, 0, "stored without its empty line"},
	"invalid/badvers.dat":    {505, 505, "SIP/7.0"},
	"invalid/mismatch01.dat": {400, 400, "method and CSeq differ"},
	"invalid/mismatch02.dat": {400, 400, "unknown method and CSeq differ (RFC: 400 or 501)"},
	"invalid/bigcode.dat":    {0, 0, "a response with an overlarge status"},
	"invalid/badbranch.dat":  {200, 200, "a branch that is only the cookie is treated as RFC 2543's"},
	"invalid/insuf.dat":      {400, 400, "From, To, Call-ID missing"},
	"invalid/unkscm.dat":     {416, 416, "unknown scheme"},
	"invalid/novelsc.dat":    {416, 416, "unknown scheme that looks known"},
	"invalid/unksm2.dat":     {405, 405, "REGISTER"},
	"invalid/bext01.dat":     {420, 420, "Require of things unheard of"},
	"invalid/invut.dat":      {415, 415, "a body of unknown type"},
	"invalid/regaut01.dat":   {405, 405, "REGISTER"},
	"invalid/multi01.dat":    {400, 400, "single headers twice"},
	"invalid/mcl01.dat":      {400, 400, "two Content-Lengths"},
	"invalid/bcast.dat":      {0, 0, "a response with a foreign Via"},
	"invalid/zeromf.dat":     {483, 483, "Max-Forwards 0"},
	"invalid/cparam01.dat":   {405, 405, "REGISTER"},
	"invalid/cparam02.dat":   {405, 405, "REGISTER"},
	"invalid/regescrt.dat":   {405, 405, "REGISTER"},
	"invalid/sdp01.dat":      {404, 404, "an Accept without SDP is not ours to judge before the route"},
	"invalid/inv2543.dat":    {483, 400, "RFC 2543: no Max-Forwards (we want one), no Content-Length (a stream needs it)"},
	"invalid/test.dat":       {0, 0, "not of the RFC: a header line that is none"},
}

func TestRFC4475(t *testing.T) {
	files, err := filepath.Glob("testdata/rfc4475/*/*.dat")
	if err != nil || len(files) != len(torture) {
		t.Fatalf("%d files, %d in the table: %v", len(files), len(torture), err)
	}
	for _, f := range files {
		name := filepath.ToSlash(f[len("testdata/rfc4475/"):])
		want := torture[name]
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Run("udp/"+name, func(t *testing.T) {
			besideACall(t, func(w *world) {
				all := &peer{w: w, conn: w.wire.listen("10.1.0.1")} // answers go to the Via's port
				w.carrier.sendRaw(b)
				if got := max(w.carrier.final(), all.final()); got != want.udp {
					t.Errorf("answered %d, want %d: %s; drops %v", got, want.udp, want.why, w.ep.Stats().Drops)
				}
			})
		})
		t.Run("tcp/"+name, func(t *testing.T) {
			besideACall(t, func(w *world) {
				conn := w.tcp.connect("10.1.0.1:7777")
				defer conn.Close()
				if got := finalOver(conn, b); got != want.tcp {
					t.Errorf("answered %d, want %d: %s; drops %v", got, want.tcp, want.why, w.ep.Stats().Drops)
				}
			})
		})
	}
}

// besideACall runs f while a call is up, and shows that the call is unharmed.
func besideACall(t *testing.T, f func(w *world)) {
	t.Helper()
	bubble(t, func(w *world) {
		i, a := w.answered()
		w.refuse = &call.Cause{Reason: "number-unassigned"}
		f(w)
		w.noSignal(a.signals, 0)
		i.p = w.peer("10.1.0.2:5060")
		i.request("BYE", "")
		i.p.want("SIP/2.0 200")
		signal[call.Bye](w, a.signals)
		signal[call.Gone](w, a.signals)
		if s := w.ep.Stats(); s.Panics != 0 {
			t.Errorf("%d panics", s.Panics)
		}
	})
}

// final reads what comes within a moment and returns the last final status.
func (p *peer) final() (status int) {
	for {
		m, ok := p.read(100 * time.Millisecond)
		if !ok {
			return status
		}
		if s := statusOf(m.start); s >= 200 {
			status = s
		}
	}
}

func statusOf(start string) int {
	text, ok := strings.CutPrefix(start, "SIP/2.0 ")
	if !ok || len(text) < 3 {
		return 0
	}
	n, _ := strconv.Atoi(text[:3])
	return n
}

// finalOver writes b to a connection and returns the last final status that
// comes back until the connection is closed or quiet for ten seconds.
func finalOver(conn net.Conn, b []byte) (status int) {
	go conn.Write(b)
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, maxStream)
	for {
		n, err := conn.Read(buf)
		if s := statusOf(string(buf[:n])); s >= 200 {
			status = s
		}
		if err != nil {
			return status
		}
	}
}
