package routing

import (
	"strings"
	"testing"
)

// What the flows have said about recording stands until one says otherwise: a step
// that names a mode drops no consent, and one that names a consent no mode.
func TestRecordingStepsAddUp(t *testing.T) {
	says := func(p RecordingPolicy) Step { return Step{Recording: &p} }
	on := func(id string) Step { return Step{Redirect: &Redirected{Flow: id}} }
	tag := Step{Tag: map[string]string{"a": "b"}}
	optIn := RecordingPolicy{Mode: OnDemand, Consent: ConsentOptIn}
	for _, c := range []struct {
		name       string
		account    RecordingPolicy
		first      Flow
		second     Flow // that the first goes on with
		mode, from string
		consent    string
		may        bool
		look       string // in the trace of the walk
	}{
		{"a mode behind a consent", RecordingPolicy{}, Flow{says(optIn), tag, says(RecordingPolicy{Mode: RecordFromAnswer})}, nil,
			RecordFromAnswer, FromFlow, ConsentOptIn, false, "flow sales says opt-in"},
		{"a mode of the next flow", RecordingPolicy{}, Flow{says(optIn), on("two")}, Flow{says(RecordingPolicy{Mode: RecordFromAnswer})},
			RecordFromAnswer, FromFlow, ConsentOptIn, false, "flow sales says opt-in"},
		{"a consent behind a mode", RecordingPolicy{Mode: RecordFromAnswer}, Flow{says(RecordingPolicy{Mode: DoNotRecord}), tag, says(RecordingPolicy{Consent: ConsentAnnounced})}, nil,
			DoNotRecord, FromFlow, ConsentAnnounced, false, ""},
		{"another consent", RecordingPolicy{}, Flow{says(optIn), on("two")}, Flow{tag, says(RecordingPolicy{Mode: RecordFromAnswer, Consent: ConsentAlways})},
			RecordFromAnswer, FromFlow, ConsentAlways, true, ""},
		{"a mode before the account's consent", RecordingPolicy{Consent: ConsentNever}, Flow{tag, says(RecordingPolicy{Mode: RecordFromAnswer})}, nil,
			RecordFromAnswer, FromFlow, ConsentNever, false, "account demo says never"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good()
			s.Accounts[0].Recording = c.account
			s.Flows = map[string]Flow{"sales": c.first}
			last := "sales"
			if c.second != nil {
				last = "two"
				s.Flows[last] = c.second
			}
			s.Flows[last] = append(s.Flows[last], to("agent")...)
			d := mustTable(t, s).Decide(Request{Trunk: "carrier-a", From: "+4791234567", To: "+4721000001", At: thisYear})
			looks := d.Trace
			for next := d.First; ; next = d.Walk.Next(Done{When{thisYear}}) {
				looks = append(looks, d.Walk.Looks()...)
				if _, ringing := next.(Ring); ringing {
					break
				}
			}
			r := d.Walk.Recording()
			if r.Mode != c.mode || r.From != c.from || r.Consent != c.consent || d.Walk.MayRecord() != c.may {
				t.Errorf("%+v, may record: %t", r, d.Walk.MayRecord())
			}
			var words []string
			for _, l := range looks {
				if l.What == "consent" {
					words = append(words, l.Text)
				}
			}
			if last := strings.Join(words[max(0, len(words)-1):], ""); c.look != "" && last != c.look {
				t.Errorf("looked at %q, the last is not %q", words, c.look)
			}
		})
	}
}
