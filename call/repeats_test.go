package call

import (
	"testing"
	"time"

	"ringdown/events"
	"ringdown/privacy"
	"ringdown/routing"
)

func TestRepeatedCalls(t *testing.T) {
	b := newWorld().board(Config{})
	now := zero
	call := func(subject, number string, private bool) *Call {
		set := defaultSetup()
		set.invite.Party.Private = private
		m := newMachine(set.invite, nil, time.Hour, func() string { return "leg" })
		m.caller, m.decision = events.Party{Subject: subject}, routing.Decision{Number: number, Caller: privacy.E164("+4799999912")}
		return &Call{machine: m, account: "demo", now: func() time.Time { return now }}
	}
	for i, c := range []struct {
		after   time.Duration
		call    *Call
		scope   string
		want    uint64
		meaning string
	}{
		{0, call("sub_1", "+4721000001", false), routing.ScopeAccount, 1, "his first"},
		{time.Minute, call("sub_1", "+4721000002", false), routing.ScopeAccount, 2, "the same account"},
		{time.Minute, call("sub_1", "+4721000002", false), routing.ScopeNumber, 1, "his first to the number"},
		{time.Minute, call("sub_2", "+4721000002", false), routing.ScopeAccount, 1, "somebody else"},
		{time.Minute, call("sub_1", "+4721000001", true), routing.ScopeAccount, 1, "he withholds his number: he could be anybody"},
		{time.Minute, call("", "+4721000001", false), routing.ScopeAccount, 1, "nobody knows him"},
		{time.Minute, call("sub_1", "+4721000001", false), routing.ScopeAccount, 3, "his third"},
		{5 * time.Minute, call("sub_1", "+4721000001", false), routing.ScopeAccount, 2, "the first two are out of the window"},
	} {
		now = now.Add(c.after)
		if got := b.repeated(c.call, c.scope, 10*time.Minute); got != c.want {
			t.Errorf("%d, %s: %d, want %d", i, c.meaning, got, c.want)
		}
	}
	for key := range b.guard.callers.of {
		if key.who == 0 {
			t.Errorf("%+v is of nobody", key)
		}
	}
}
