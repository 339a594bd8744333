package routing

import "testing"

// A hook's question must not be published where events stand, where the broker
// listens, or where its subject shows a number.
func TestHookSubjects(t *testing.T) {
	for subject, fine := range map[string]bool{
		"owner.route": true, "acme.eu-1.route_call": true,
		"ringdown.v1.demo.call.call_1.ended": false, "Ringdown.v1.x": false, "ringdown": false, "_INBOX.abc": false, "_sys": false,
		"$JS.API.STREAM.DELETE.X": false, "$KV.ringdown.head": false, "a..b": false, "": false, "a.*": false, "a.>": false, "calls.4799999912": false, "a b": false,
	} {
		if msg := checkSubject(subject); (msg == "") != fine {
			t.Errorf("%q: %q", subject, msg)
		}
	}
}
