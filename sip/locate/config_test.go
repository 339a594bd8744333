package locate

import (
	"fmt"
	"slices"
	"testing"
)

func TestServersOfTheConfiguration(t *testing.T) {
	for _, c := range []struct {
		servers []string
		faults  int
		want    string
	}{
		{[]string{"192.0.2.53", "192.0.2.54:5353", "2001:db8::53"}, 0, "[192.0.2.53:53 192.0.2.54:5353 [2001:db8::53]:53]"},
		{[]string{"[2001:db8::53]:54", "[2001:db8::53]"}, 0, "[[2001:db8::53]:54 [2001:db8::53]:53]"},
		{[]string{"ns.example"}, 1, ""},
		{[]string{"192.0.2.1:0", "192.0.2.1:x", ""}, 3, ""},
		{[]string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}, 1, "[192.0.2.1:53 192.0.2.2:53 192.0.2.3:53 192.0.2.4:53]"},
	} {
		var faults []string
		Config{c.servers}.Validate(func(path, msg string) { faults = append(faults, path+": "+msg) })
		got, err := Config{c.servers}.Addresses()
		if len(faults) != c.faults || (err != nil) != (c.want == "") || err == nil && fmt.Sprint(got) != c.want {
			t.Errorf("%q: faults %q, %v, %v", c.servers, faults, got, err)
		}
	}
}

func TestServersOfTheSystem(t *testing.T) {
	got := systemServers("# comment\nsearch example.com\nnameserver 192.0.2.1\nnameserver\t2001:db8::1 \nnameserver bad\nnameserver fe80::1%eth0\noptions ndots:5\nnameserver 192.0.2.9")
	if want := "[192.0.2.1:53 [2001:db8::1]:53 [fe80::1%eth0]:53]"; fmt.Sprint(got) != want {
		t.Errorf("%v", got)
	}
	if got := systemServers(""); !slices.Equal(got, nil) {
		t.Errorf("%v", got)
	}
}
