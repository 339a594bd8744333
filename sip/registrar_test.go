package sip

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/routing"
	"ringdown/sip/digest"
)

func phonesTable(t *testing.T) Deps {
	t.Helper()
	table, faults := routing.NewTable(routing.Spec{Trunks: []routing.Trunk{
		{
			ID: "phones", Registrar: routing.Registrar{Contacts: 2},
			Auth: routing.Auth{Realm: "phones.example", Users: append(user("alice", "wonder"), user("bob", "zanzibar")...)},
		},
		{ID: "carrier", Sources: []string{"10.1.0.0/24"}, Auth: routing.Auth{Realm: "carrier.example", Users: user("kari", "secret")}},
	}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return Deps{Policy: table.Trunk, ByDigest: table.TrunksByDigest}
}

// handset is a phone that registers.
type handset struct {
	*peer
	user, password string
	callID         string
	cseq, sent     int
}

func (w *world) handset(addr, user, password string) *handset {
	return &handset{peer: w.peer(addr), user: user, password: password, callID: "reg-" + addr}
}

// ask sends a REGISTER without and then with a password, and returns what came.
func (h *handset) ask(extra ...string) message {
	h.w.Helper()
	h.sendRegister("", extra...)
	m, ok := h.read(time.Minute)
	if !ok {
		h.w.Fatalf("no answer; drops %v", h.w.ep.Stats().Drops)
	}
	if !strings.HasPrefix(m.start, "SIP/2.0 401") {
		return m
	}
	h.sendRegister(h.proof(m), extra...)
	m, _ = h.read(time.Minute)
	return m
}

func (h *handset) sendRegister(proof string, extra ...string) {
	h.cseq++
	h.sent++
	head := fmt.Sprintf("REGISTER sip:phones.example SIP/2.0\nVia: SIP/2.0/UDP %[1]s;branch=z9hG4bKr%[5]d;rport\nMax-Forwards: 70\n"+
		"From: <sip:%[3]s@phones.example>;tag=h\nTo: <sip:%[3]s@phones.example>\nCall-ID: %[4]s\nCSeq: %[2]d REGISTER\n",
		h.conn.addr, h.cseq, h.user, h.callID, h.sent)
	for _, e := range append(extra, proof) {
		if e != "" {
			head += e + "\n"
		}
	}
	h.sendRaw(text("%s\n", head))
}

func (h *handset) proof(m message) string {
	h.w.Helper()
	c, err := digest.ParseChallenge(m.get("WWW-Authenticate"))
	if err != nil {
		h.w.Fatal(err)
	}
	a, ok := c.Answer(digest.Secret{Username: h.user, Password: h.password}, "REGISTER", "sip:phones.example", "cn", 1)
	if !ok {
		h.w.Fatalf("%+v", c)
	}
	return "Authorization: " + a.String()
}

func (h *handset) contact(params string) string {
	return fmt.Sprintf("Contact: <sip:%s@192.168.1.7:5099>%s", h.user, params)
}

func (w *world) dialUser(name string) (call.Leg, chan call.Signal) {
	w.Helper()
	signals := make(chan call.Signal, 64)
	d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: ourSDP}
	d.Target = routing.Target{User: name, Trunk: "phones", URI: "sip:" + name + "@phones.example"}
	leg, err := w.ep.Dial(w.Context(), d, into(signals))
	if err != nil {
		w.Fatal(err)
	}
	return leg, signals
}

// A user is rung where his REGISTER came from, whatever his Contact says.
func TestPhoneIsRungWhereItRegistered(t *testing.T) {
	inWorld(t, Config{}, phonesTable(t), func(w *world) {
		h := w.handset("10.8.0.1:5060", "alice", "wonder")
		ok := h.ask(h.contact(";expires=300"))
		if !strings.HasPrefix(ok.start, "SIP/2.0 200") || ok.get("Contact") != "<sip:alice@192.168.1.7:5099>;expires=300" {
			t.Fatalf("%s", ok.raw)
		}
		if n := w.ep.Stats().Phones["phones"]; n != 1 {
			t.Errorf("%d phones", n)
		}
		leg, signals := w.dialUser("alice")
		inv := h.want("INVITE sip:alice@192.168.1.7:5099 SIP/2.0")
		h.reply(inv, 200, "a", offer)
		signal[call.Answered](w, signals)
		h.want("ACK")
		leg.Hangup(call.Cause{Status: 200})
		bye := h.want("BYE")
		h.reply(bye, 200, "", "")
		signal[call.Gone](w, signals)

		time.Sleep(5 * time.Minute) // not renewed
		synctest.Wait()
		_, signals = w.dialUser("alice")
		if f := signal[call.Failed](w, signals); f.Cause.Status != 480 || f.Cause.Q850 != 20 {
			t.Errorf("%+v", f.Cause)
		}
		signal[call.Gone](w, signals)
		if n := len(w.ep.registrar.phones) + len(w.ep.door.peers); n != 0 {
			t.Errorf("%d things are remembered of a phone that is gone", n)
		}
	})
}

func TestRegistrarRefuses(t *testing.T) {
	inWorld(t, Config{}, phonesTable(t), func(w *world) {
		h := w.handset("10.8.0.1:5060", "alice", "wonder")
		for _, c := range []struct {
			name   string
			status string
			extra  []string
		}{
			{"too short", "423", []string{h.contact(";expires=59")}},
			{"expires that is no number", "400", []string{h.contact(""), "Expires: soon"}},
			{"star beside another", "400", []string{"Contact: *", h.contact(""), "Expires: 0"}},
			{"star that stays", "400", []string{"Contact: *", "Expires: 60"}},
			{"the same twice", "400", []string{h.contact(""), h.contact(";expires=90")}},
			{"contact of another kind", "400", []string{"Contact: <tel:+4721000001>"}},
			{"three at once", "403", []string{h.contact(""), "Contact: <sip:b@10.8.0.1>", "Contact: <sip:c@10.8.0.1>"}},
			{"only asking", "200", nil},
		} {
			if m := h.ask(c.extra...); !strings.HasPrefix(m.start, "SIP/2.0 "+c.status) {
				t.Errorf("%s: %q", c.name, m.start)
			}
		}
		if m := h.ask(h.contact(";expires=59")); m.get("Min-Expires") != "60" {
			t.Errorf("%s", m.raw)
		}
		if n := len(w.ep.registrar.phones); n != 0 {
			t.Errorf("%d users registered by that", n)
		}

		thief := w.handset("10.8.0.2:5060", "alice", "wonder")
		thief.user, thief.password = "bob", "zanzibar"
		thief.sendRegister("")
		m := thief.want("SIP/2.0 401")
		proof := thief.proof(m)
		thief.user = "alice" // with bob's password
		thief.sendRegister(proof, thief.contact(""))
		thief.want("SIP/2.0 403")

		guess := w.handset("10.8.0.3:5060", "alice", "cheshire")
		if m := guess.ask(guess.contact("")); !strings.HasPrefix(m.start, "SIP/2.0 401") {
			t.Errorf("a wrong password: %q", m.start)
		}
		kari := w.handset("10.1.0.9:5060", "kari", "secret") // of a trunk that takes no phones
		if m := kari.ask(kari.contact("")); !strings.HasPrefix(m.start, "SIP/2.0 405") {
			t.Errorf("a trunk without a registrar: %q", m.start)
		}
		if n := len(w.ep.registrar.phones); n != 0 {
			t.Errorf("%d users registered by that", n)
		}
	})
}

// The newest phone is rung first, the next one when it is not there; a third
// takes the place of the oldest; a late REGISTER changes nothing.
func TestPhonesOfOneUser(t *testing.T) {
	inWorld(t, Config{}, phonesTable(t), func(w *world) {
		var phones []*handset
		for i := range 3 {
			h := w.handset(fmt.Sprintf("10.8.0.%d:5060", i+1), "alice", "wonder")
			if m := h.ask(fmt.Sprintf("Contact: <sip:alice@phone%d.invalid>", i)); !strings.HasPrefix(m.start, "SIP/2.0 200") || len(m.all("Contact")) != min(i+1, 2) {
				t.Fatalf("%s", m.raw)
			}
			phones = append(phones, h)
			time.Sleep(time.Second)
		}
		leg, signals := w.dialUser("alice")
		inv := phones[2].want("INVITE sip:alice@phone2.invalid")
		phones[2].reply(inv, 503, "x", "")
		phones[2].want("ACK")
		inv = phones[1].want("INVITE sip:alice@phone1.invalid")
		phones[1].reply(inv, 486, "y", "")
		phones[1].want("ACK")
		if f := signal[call.Failed](w, signals); f.Cause.Status != 486 {
			t.Errorf("%+v", f.Cause)
		}
		leg.Hangup(call.Cause{})
		phones[0].quiet(time.Second)

		time.Sleep(40 * time.Second) // until its transactions are forgotten
		h := phones[2]
		h.cseq -= 2 // as if it came again, much later
		if m := h.ask("Contact: <sip:alice@phone2.invalid>", "Expires: 0"); !strings.HasPrefix(m.start, "SIP/2.0 500") {
			t.Errorf("%q", m.start)
		}
		h.cseq += 10
		if m := h.ask("Contact: *", "Expires: 0"); !strings.HasPrefix(m.start, "SIP/2.0 200") || m.get("Contact") != "" {
			t.Errorf("%s", m.raw)
		}
		if n := len(w.ep.registrar.phones); n != 0 {
			t.Errorf("%d users left", n)
		}
	})
}

// FuzzRegister: whatever a REGISTER says, what is asked for is bounded and of use.
func FuzzRegister(f *testing.F) {
	for _, contact := range []string{
		"<sip:alice@192.168.1.7:5099>;expires=300", "*", "<sip:a@b>;+sip.instance=\"<urn:uuid:1>\";reg-id=1, <sip:c@d>", "sip:a@b;expires=4294967295", "<tel:1>", "<sip:>",
	} {
		f.Add(contact, "600")
	}
	f.Add("*", "0")
	f.Fuzz(func(t *testing.T, contact, expires string) {
		raw := text("REGISTER sip:phones.example SIP/2.0\nVia: SIP/2.0/UDP 10.8.0.1;branch=z9hG4bK1\nMax-Forwards: 70\nFrom: <sip:a@phones.example>;tag=h\n"+
			"To: <sip:a@phones.example>\nCall-ID: 1\nCSeq: 1 REGISTER\nExpires: %s\nContact: %s\n\n", expires, contact)
		s, fault := screen(raw, false)
		if fault != "" {
			return
		}
		msg, err := parse(raw, s)
		req, ok := msg.(*gosip.Request)
		if err != nil || !ok || !complete(req) {
			return
		}
		rules := routing.Registrar{Contacts: 2}
		all, status := askedPhones(&incoming{Request: req}, rules)
		for _, p := range all {
			switch left := time.Until(p.until); {
			case status != 0:
				t.Errorf("refused with %d and taken", status)
			case p.key == "" && len(all) != 1:
				t.Error("a star among others")
			case p.key != "" && p.contact.Host == "":
				t.Errorf("a phone nowhere: %+v", p.contact)
			case !p.until.IsZero() && (left > rules.Longest() || left < leastRegistered-time.Minute):
				t.Errorf("a registration of %v", left)
			}
		}
	})
}
