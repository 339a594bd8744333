package outbox

import (
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
)

// TestLongOutage: a disk that refuses for days, asked each second, is used again
// when it does not: nothing that a try leaves behind adds up.
func TestLongOutage(t *testing.T) {
	for name, op := range map[string]string{"writes fail": "write", "syncs fail": "sync"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startRig(t, newMemDisk(), testConfig())
				a := call('A')
				r.publish(ev(a, events.CallReceived))
				r.flush()
				r.d.on(errIO, func(o string) bool { return o == op })
				r.publish(ev(call('B'), events.CallReceived))
				time.Sleep(48 * time.Hour)
				r.d.heal()
				time.Sleep(2 * time.Second)
				if r.o.Full() {
					t.Errorf("the disk works and new calls are refused: %+v", r.o.Stats())
				}
				r.publish(ev(a, events.CallEnded))
				r.flush()
				if got, want := brief(r.readAll()), "A/1:received A/2:ended"; got != want {
					t.Errorf("log is %s, want %s", got, want)
				}
				r.stop()
			})
		})
	}
}
