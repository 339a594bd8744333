package sip

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"ringdown/call"
)

func TestConfigDefaultsAreValid(t *testing.T) {
	var c Config
	c.Defaults()
	c.Validate(func(path, msg string) { t.Errorf("%s: %s", path, msg) })
	if len(c.Listen) != 2 || c.Rate.Source == 0 || c.Rate.Total == 0 {
		t.Errorf("%+v", c)
	}
}

func TestConfigFaults(t *testing.T) {
	good, other := newAuthority(t).ours(), newAuthority(t).ours()
	for _, c := range []struct {
		cfg  Config
		want []string
	}{
		{Config{}, []string{"listen: is empty"}},
		{Config{Listen: []string{"udp://127.0.0.1:5060", "sctp://127.0.0.1:5061", "5060", "udp://localhost:5060", "udp://127.0.0.1:5060"}},
			[]string{"listen[1]", "listen[2]", "listen[3]", "listen[4]"}},
		{Config{Listen: []string{"udp://0.0.0.0:5060"}}, []string{"listen[0]: \"udp://0.0.0.0:5060\" listens on every address"}},
		{Config{Listen: []string{"udp://[::]:5060"}, Advertise: "sip.example.com"}, nil},
		{Config{Listen: []string{"udp://[::1]:5060"}, Advertise: "2001:db8::1"}, nil},
		{Config{Listen: []string{"udp://[::]:5060"}, Advertise: "203.0.113.5"}, []string{"listen[0]"}}, // of no use to IPv6
		{Config{Listen: []string{"udp://[::]:5060"}, Advertise: "203.0.113.5", Networks: []Network{{For: []string{"::/0"}, Advertise: "2001:db8::1"}}}, nil},
		{Config{Listen: []string{"tls://127.0.0.1:5061"}}, []string{"tls.cert"}},
		{Config{Listen: []string{"tls://127.0.0.1:5061"}, TLS: TLS{Cert: good.Cert, Key: good.Key, ClientCA: good.Cert, MinVersion: "1.3"}}, nil},
		{Config{Listen: []string{"tls://127.0.0.1:5061"}, TLS: TLS{Cert: good.Cert, Key: other.Key, ClientCA: "tls.go"}}, []string{"tls.cert: cannot be used with tls.key", "tls.client_ca: cannot be used"}},
		{Config{Listen: []string{"udp://127.0.0.1:5060"}, STIR: STIR{Roots: "tls.go", CA: "nowhere", Key: good.Cert, X5U: "https://sti.example/a.pem"}},
			[]string{"stir.roots: cannot be used", "stir.ca: cannot be used", "stir.key: cannot be used"}},
		{Config{Listen: []string{"udp://127.0.0.1:5060"}, STIR: STIR{Roots: good.Cert, CA: good.Cert, Key: good.Key, X5U: "https://sti.example/a.pem"}}, nil},
		{Config{Listen: []string{"tcp://127.0.0.1:5061"}, TLS: TLS{Cert: "nowhere", ClientCA: "tls.go", MinVersion: "1.1"}}, []string{"tls.key", "tls.client_ca", "tls.cert: cannot be read", "tls.min_version"}},
		{Config{Listen: []string{"udp://127.0.0.1:5060"}, Advertise: "203.0.113.5:5060", Rate: Rate{Source: -1}}, []string{"advertise", "rate"}},
		{Config{Listen: []string{"udp://127.0.0.1:5060"}, Advertise: "a\r\nb"}, []string{"advertise"}},
	} {
		var got []string
		c.cfg.Validate(func(path, msg string) { got = append(got, path+": "+msg) })
		ok := len(got) == len(c.want)
		for i := range c.want {
			ok = ok && strings.HasPrefix(got[i], c.want[i])
		}
		if !ok {
			t.Errorf("%+v:\n got %q\nwant %q", c.cfg, got, c.want)
		}
	}
}

func TestListenNamesTheTakenPort(t *testing.T) {
	conns, listeners, err := Listen(Config{Listen: []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0"}})
	if err != nil || len(conns) != 1 || len(listeners) != 1 {
		t.Fatal(conns, listeners, err)
	}
	defer conns[0].Close()
	defer listeners[0].Close()
	for _, taken := range []string{fmt.Sprintf("udp://%s", conns[0].LocalAddr()), fmt.Sprintf("tcp://%s", listeners[0].Addr())} {
		c, l, err := Listen(Config{Listen: []string{"udp://127.0.0.1:0", taken}})
		if err == nil || c != nil || l != nil || !strings.Contains(err.Error(), taken+" is taken") {
			t.Errorf("%v %v %v", c, l, err)
		}
	}
	if _, _, err := Listen(Config{Listen: []string{"udp://192.0.2.1:5060"}}); err == nil || !strings.Contains(err.Error(), "cannot listen on udp://192.0.2.1:5060") {
		t.Error(err)
	}
	if _, _, err := Listen(Config{Listen: []string{"nonsense"}}); err == nil {
		t.Error("nonsense was opened")
	}
}

func TestNewWantsItsDeps(t *testing.T) {
	deps := Deps{
		Admit: func(call.Invite, call.Leg) (func(call.Signal), *call.Cause) { return nil, nil },
		Trunk: func(netip.Addr) (string, bool) { return "", false }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if _, err := New(Config{}, Deps{}, nil, nil); err == nil {
		t.Error("no deps")
	}
	if _, err := New(Config{}, deps, nil, nil); err == nil {
		t.Error("no socket")
	}
	e, err := New(Config{}, deps, []net.PacketConn{(&wire{conns: map[string]*memConn{}}).listen(usAddr)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	e.Close()
	d := call.Dial{MaxForwards: 1}
	d.Target.URI = "sip:a@10.0.0.9"
	if _, err := e.Dial(t.Context(), d, nil); err == nil {
		t.Error("dialled after Close")
	}
}
