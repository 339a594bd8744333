package locate

import (
	"testing"

	"github.com/miekg/dns"
)

// Whatever comes back: no panic, no record of another name, no more than is
// kept of one answer.
func FuzzAnswer(f *testing.F) {
	ask := new(dns.Msg)
	ask.SetQuestion("a.test.", dns.TypeA)
	ask.Id = 7
	for _, lines := range [][]string{
		{a1}, {"a.test. 60 IN CNAME b.test.", "b.test. 0 IN A 192.0.2.1"}, {"a.test. 1 IN CNAME a.test."},
		{"a.test. 60 IN NAPTR 10 10 \"s\" \"SIP+D2U\" \"\" _sip._udp.a.test."}, {"a.test. 60 IN SRV 0 0 5060 ."},
	} {
		res := new(dns.Msg)
		res.SetReply(ask)
		for _, l := range lines {
			rr, err := dns.NewRR(l)
			if err != nil {
				f.Fatal(err)
			}
			res.Answer = append(res.Answer, rr)
		}
		b, err := res.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, true)
		f.Add(b[:len(b)-3], false)
	}
	f.Fuzz(func(t *testing.T, b []byte, id bool) {
		if id && len(b) > 1 { // so that it gets past the first check
			b = append([]byte{0, 7}, b[2:]...)
		}
		msg, ok := read(ask, b)
		if !ok {
			return
		}
		got := follow(msg, "a.test.", dns.TypeA)
		if len(got.records) > maxRecords || got.ttl < 0 || got.ttl > maxTTL {
			t.Errorf("%d records for %v", len(got.records), got.ttl)
		}
		for _, rr := range got.records {
			if rr.Header().Rrtype != dns.TypeA || rr.Header().Class != dns.ClassINET {
				t.Errorf("%s", rr)
			}
		}
	})
}
