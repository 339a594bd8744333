package routing

import (
	"strings"
	"testing"
	"time"
)

func TestDirections(t *testing.T) {
	table, faults := NewTable(good())
	if faults != nil {
		t.Fatal(faults)
	}
	targets, texts, faults := table.Directions([]Destination{
		{Number: "+4791234567", Trunk: "carrier-b"}, {URI: "sip:desk@127.0.0.1", Timeout: Seconds(5)},
	}, 12*time.Second)
	if faults != nil {
		t.Fatal(faults)
	}
	if len(targets) != 2 || len(texts) != 2 || targets[0].Trunk != "carrier-b" || targets[0].Timeout != 12*time.Second || targets[1].Timeout != 5*time.Second {
		t.Errorf("got %+v", targets)
	}
	for name, c := range map[string]struct {
		d    Destination
		want string
	}{
		"no such trunk": {Destination{Number: "+4791234567", Trunk: "carrier-c"}, "targets[0].trunk"},
		"no number":     {Destination{Number: "91234567", Trunk: "carrier-b"}, "targets[0].number"},
		"no URI":        {Destination{URI: "http://x"}, "targets[0].uri"},
		"two at once":   {Destination{URI: "sip:a@b", Number: "+4791234567", Trunk: "carrier-b"}, "targets[0]"},
		"nothing":       {Destination{}, "targets[0]"},
		"endless":       {Destination{URI: "sip:a@b", Timeout: Seconds(3600)}, "targets[0].timeout"},
	} {
		targets, _, faults := table.Directions([]Destination{c.d}, 0)
		if targets != nil || len(faults) == 0 || faults[0].Path != c.want {
			t.Errorf("%s: got %v, %v", name, targets, faults)
		}
		for _, f := range faults {
			if strings.Contains(f.Msg, "1234567") {
				t.Errorf("%s: the fault repeats the number", name)
			}
		}
	}
	if d := table.Decide(Request{Trunk: "carrier-a", To: "21000001"}); len(d.Targets) != 2 {
		t.Error("asking changed the table")
	}
}

func TestTransferTo(t *testing.T) {
	table, faults := NewTable(good())
	if faults != nil {
		t.Fatal(faults)
	}
	d := table.TransferTo(Destination{URI: "sip:desk@127.0.0.1"})
	if d.Reject != "" || len(d.Targets) != 1 || len(d.Trace) != 1 || d.Trace[0].Result != Chosen {
		t.Errorf("got %+v", d)
	}
	d = table.TransferTo(Destination{Number: "+4791234567", Trunk: "carrier-x"})
	if d.Reject != NoRoute || len(d.Targets) != 0 || len(d.Trace) != 1 || !strings.Contains(d.Trace[0].Text, "trunk") {
		t.Errorf("got %+v", d)
	}
}
