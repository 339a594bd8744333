//go:build interop

package interop

import (
	"net"
	"testing"
	"time"
)

const guarded = `trunks:
  - {id: carrier, sources: [CARRIER], number_format: {country: NO}}
  - {id: out, sources: ["127.0.98.9"], targets: [{uri: "sip:127.0.98.9"}]}
lists:
  nuisance: {numbers: ["+4799900001"]}
screening: {block: [nuisance], repeat: {calls: 2, within: PT10M}}
accounts:
  - {id: demo}
numbers:
  - {number: "+4721000001", account: demo, flow: sales}
  - {number: "+4721000002", account: demo, flow: sales, limits: {calls: 1}}
  - {number: "+4721000003", account: demo, flow: dear}
flows:
  sales: [{dial: {targets: [{uri: "sip:agent@PBX"}]}}]
  dear: [{dial: {targets: [{number: "+88216123456", trunk: out}, {uri: "sip:agent@PBX"}]}}]
`

// TestGuardsOnTheWire: a caller on a block list hears 607, one who calls again and
// again 603, one too many for a number 486, and a premium number is not dialled: the
// hunt goes on. None of those who are refused reaches the destination.
func TestGuardsOnTheWire(t *testing.T) {
	s := newStreet(t, "127.0.98", guarded)
	dear, err := net.ListenPacket("udp4", "127.0.98.9:5060") // where the premium number would be
	if err != nil {
		t.Fatal(err)
	}
	defer dear.Close()
	refused := func(number, from string, status int) {
		t.Helper()
		uac := s.ask1(t, asked{URI: "sip:" + number + "@NODE", From: "<sip:" + from + "@carrier.example>", Final: status})
		if code := uac.code(t, 30*time.Second); code != 0 {
			t.Errorf("%d: the carrier is not content: exit %d\n%s%s", status, code, uac.out.tail(), s.errors(t))
		}
	}
	through := func(number, from string) {
		t.Helper()
		s.call(t, asked{URI: "sip:" + number + "@NODE", From: "<sip:" + from + "@carrier.example>", Final: 200}, judged{})
	}
	refused("+4721000001", "+4799900001", 607)
	through("+4721000001", "+4799900002")
	through("+4721000001", "+4799900002")
	refused("+4721000001", "+4799900002", 603)
	through("+4721000001", "+4799900003") // who calls for the first time is not meant

	host, _, _ := net.SplitHostPort(s.pbx)
	uas := sipp(t, s.dir, scenario(t, s.dir, "judges.xml", judged{}), host, s.pbx, "-m", "1", "-timeout", "20")
	first := s.ask1(t, asked{URI: "sip:+4721000002@NODE", From: "<sip:+4799900004@carrier.example>", Final: 200, Talk: 6000})
	eventually(t, limit, "the first call to be up", func() bool { all := s.stories(t); return len(all) == 6 && all[5].count("call.bridged") == 1 })
	refused("+4721000002", "+4799900005", 486)
	for _, p := range []*program{first, uas} {
		if code := p.code(t, 30*time.Second); code != 0 {
			t.Errorf("the first call: exit %d\n%s%s", code, p.out.tail(), s.errors(t))
		}
	}
	through("+4721000003", "+4799900006")

	all := s.settled(t, 8)
	for i, want := range []string{"blocked-caller", "", "", "repeat-rate", "", "", "concurrency-limit", ""} {
		if got := all[i].last("call.rejected").RejectReason; got != want {
			t.Errorf("call %d: refused for %q, want %q", i+1, got, want)
		}
		verdicts := 1
		if want == "concurrency-limit" { // before anything is asked about him
			verdicts = 0
		}
		if k := all[i].count("call.screened"); k != verdicts {
			t.Errorf("call %d: screened %d times", i+1, k)
		}
		if dialled := all[i].count("leg.created") > 1; dialled != (want == "") {
			t.Errorf("call %d: dialled: %t", i+1, dialled)
		}
	}
	last := all[7]
	if last.count("fraud.suspected") != 1 || last.count("call.bridged") != 1 {
		t.Errorf("%d of fraud.suspected, %d talks", last.count("fraud.suspected"), last.count("call.bridged"))
	}
	dear.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	buf := make([]byte, 2048)
	if k, _, err := dear.ReadFrom(buf); err == nil {
		t.Errorf("the premium number was dialled: %.40q", buf[:k])
	}
	s.stop(t)
}
