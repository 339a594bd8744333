package relay

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ringdown/media"
	"ringdown/media/mediatest"
)

func TestConfigDefaults(t *testing.T) {
	var c Config
	c.Defaults()
	c.Validate(func(path, msg string) { t.Errorf("%s: %s", path, msg) })
	if c.Address != "127.0.0.1" || c.Ports != "20000-29999" || c.Advertise != "" || c.Engine != "auto" {
		t.Errorf("%+v", c)
	}
	set := Config{Address: "10.0.0.1", Advertise: "192.0.2.1", Ports: "3000-3009", DSCP: "cs5", Engine: "kernel"}
	kept := set
	kept.Defaults()
	if !reflect.DeepEqual(kept, set) {
		t.Errorf("what was set became %+v", kept)
	}
}

// The keys are a promise to users.
func TestConfigKeys(t *testing.T) {
	var keys []string
	for i, c := 0, reflect.TypeFor[Config](); i < c.NumField(); i++ {
		keys = append(keys, c.Field(i).Tag.Get("yaml"))
	}
	if !slices.Equal(keys, []string{"address", "advertise", "address6", "advertise6", "dscp", "addresses", "ports", "engine", "interfaces"}) {
		t.Errorf("keys %q", keys)
	}
}

func TestConfigFaults(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   []string
	}{
		{Config{Address: "10.0.0.1", Advertise: "", Ports: "20000-20003"}, nil},
		{Config{Address: "::", Advertise: "2001:db8::1", Ports: "20001-20006"}, nil},
		{Config{Address: "0.0.0.0", Advertise: "192.0.2.1", Ports: "1024-65535"}, nil},
		{Config{Address: "0.0.0.0", Advertise: "", Ports: "20000-29999"}, []string{"advertise: is needed when address is 0.0.0.0: others cannot send there"}},
		{Config{Address: "10.0.0.1", Advertise: "0.0.0.0", Ports: "20000-29999"}, []string{"advertise: others cannot send to 0.0.0.0"}},
		{Config{Address: "10.0.0.1", Advertise: "2001:db8::1", Ports: "20000-29999"}, []string{"advertise: 2001:db8::1 is of another family than address 10.0.0.1"}},
		{Config{Address: "host.example", Advertise: "me", Ports: "20000"}, []string{
			`address: "host.example" is not an IP address`,
			`advertise: "me" is not an IP address`,
			`ports: "20000" is not a range like 20000-29999`,
		}},
		{Config{Address: "224.0.0.1", Advertise: "", Ports: "20000-70000"}, []string{
			"address: 224.0.0.1 is a multicast address",
			`ports: "20000-70000" is not a range of ports from 1 to 65535`,
		}},
		{Config{Address: "10.0.0.1", Ports: "20000-20003", Engine: "kernel", Interfaces: []string{"eth0", "bond0.100"}}, nil},
		{Config{Address: "10.0.0.1", Ports: "20000-20003", Engine: "fast", Interfaces: []string{"eth0", "", "eth0", "a name"}}, []string{
			`engine: "fast" is not auto, kernel or portable`,
			`interfaces[1]: "" is not the name of an interface`,
			"interfaces[2]: eth0 is named twice",
			`interfaces[3]: "a name" is not the name of an interface`,
		}},
		{Config{Address: "10.0.0.1", Ports: "20000-20003", Engine: "portable", Interfaces: []string{"eth0"}}, []string{"interfaces: is of no use with engine portable"}},
		{Config{Address: "10.0.0.1", Advertise: "", Ports: "a-b"}, []string{`ports: "a-b" is not a range of ports from 1 to 65535`}},
		{Config{Address: "10.0.0.1", Advertise: "", Ports: "80-90"}, []string{`ports: "80-90" begins below 1024, among the system's own ports`}},
		{Config{Address: "10.0.0.1", Advertise: "", Ports: "30000-20000"}, []string{`ports: "30000-20000" ends before it begins`}},
		{Config{Address: "10.0.0.1", Advertise: "", Ports: "20001-20004"}, []string{`ports: "20001-20004" does not hold the four ports of one call`}},
		{Config{Address: "10.0.0.1", Address6: "2001:db8::1", Ports: "20000-20003"}, nil},
		{Config{Address: "10.0.0.1", Address6: "::", Advertise6: "2001:db8::1", Ports: "20000-20003"}, nil},
		{Config{Address: "10.0.0.1", Address6: "::", Ports: "20000-20003"}, []string{"advertise6: is needed when address6 is ::: others cannot send there"}},
		{Config{Address: "10.0.0.1", Address6: "10.0.0.2", Ports: "20000-20003"}, []string{"address6: 10.0.0.2 is not an IPv6 address"}},
		{Config{Address: "10.0.0.1", Address6: "::", Advertise6: "10.0.0.2", Ports: "20000-20003"}, []string{"advertise6: 10.0.0.2 is of another family than address6 ::"}},
		{Config{Address: "::1", Address6: "::1", Ports: "20000-20003"}, []string{"address6: stands beside the IPv6 address ::1: address must be an IPv4 one then"}},
		{Config{Address: "10.0.0.1", Advertise6: "::1", Ports: "20000-20003"}, []string{"advertise6: is of no use without address6"}},
	} {
		var got []string
		c.config.Validate(func(path, msg string) { got = append(got, path+": "+msg) })
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q", c.config, got)
		}
		_, err := NewPool(c.config, mediatest.NewNetwork(1, mediatest.Link{}).Listen, silent())
		if (err != nil) != (c.want != nil) {
			t.Errorf("%+v: NewPool: %v", c.config, err)
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), "media."+w) {
				t.Errorf("%+v: NewPool: %v", c.config, err)
			}
		}
	}
}

func TestPorts(t *testing.T) {
	for text, want := range map[string][]uint16{
		"20000-20005":   {20000, 20002, 20004},
		"20001-20006":   {20002, 20004}, // 20006 has no neighbour
		"65530 - 65535": {65530, 65532, 65534},
	} {
		if got, err := parsePorts(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestReaches(t *testing.T) {
	for _, c := range []struct {
		ours, theirs string
		ok           bool
	}{
		{"10.0.0.1", "192.0.2.1", true},
		{"10.0.0.1", "192.168.1.1", true},
		{"10.0.0.1", "127.0.0.1", false},
		{"10.0.0.1", "169.254.169.254", false},
		{"10.0.0.1", "2001:db8::1", false},
		{"127.0.0.1", "127.0.0.5", true},
		{"127.0.0.1", "192.0.2.1", true},
		{"2001:db8::1", "2001:db8::2", true},
		{"2001:db8::1", "::1", false},
		{"2001:db8::1", "fe80::1", false},
		{"2001:db8::1", "10.0.0.1", false},
		{"169.254.0.1", "169.254.0.2", true},
	} {
		ours := netip.MustParseAddr(c.ours)
		p := &Pool{homes: make([]address, 1)}
		p.homes[0].places[familyOf(ours)].advertise = ours
		theirs := netip.MustParseAddr(c.theirs)
		if err := p.reaches(theirs, media.Source{}); (err == nil) != c.ok {
			t.Errorf("from %s to %s: %v", c.ours, c.theirs, err)
		}
		named := []netip.Prefix{netip.PrefixFrom(theirs, theirs.BitLen())}
		if err := p.reaches(theirs, media.Source{Allow: named}); (err == nil) != (theirs.Is4() == ours.Is4()) {
			t.Errorf("from %s to %s, named by the trunk: %v", c.ours, c.theirs, err)
		}
	}
}
