package call

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// talkers are the two legs of a call that stands, as sip would have them: what
// each has offered and not been answered, and whether it owes us an answer.
type talkers struct {
	r     *rapid.T
	m     *machine
	now   time.Time
	last  map[LegID]int  // number of its last offer
	waits map[LegID]bool // that offer has no answer yet
	owes  map[LegID]bool
	told  map[string]int // answers and refusals by leg and number
}

func (k *talkers) signal(from LegID, s Signal) {
	out, known := k.m.step(from, s)
	if !known {
		k.r.Fatalf("%T of %s is out of place", s, from)
	}
	for _, a := range out {
		k.carryOut(a)
	}
}

func (k *talkers) at() At {
	k.now = k.now.Add(10 * time.Millisecond)
	return At{k.now}
}

// answered is Leg.Update or Leg.Refuse: of no effect when the offer is withdrawn.
func (k *talkers) answered(leg LegID, id int) {
	if id == k.last[leg] && k.waits[leg] {
		k.waits[leg] = false
		k.told[fmt.Sprint(leg, id)]++
	}
}

func (k *talkers) settled(asked LegID, results ...Result) {
	r := rapid.SampledFrom(results).Draw(k.r, "relay")
	if r == ResultAsked {
		k.ask(asked)
	}
	k.signal("", Settled{At: k.at(), Result: r})
}

func (k *talkers) ask(leg LegID) {
	if k.owes[leg] {
		k.r.Fatalf("%s is made a second offer before it has answered the first", leg)
	}
	k.owes[leg] = true
}

func (k *talkers) carryOut(a action) {
	switch a := a.(type) {
	case doReoffer:
		r := rapid.SampledFrom([]Result{ResultDone, ResultAsked, ResultRefused}).Draw(k.r, "relay")
		if r == ResultAsked {
			k.ask(a.other)
		} else {
			k.answered(a.leg, a.id)
		}
		k.signal("", Settled{At: k.at(), Result: r})
	case doSettle:
		k.answered(a.to, a.id)
		k.settled("", ResultDone, ResultRefused)
	case doTake:
		if a.other == "" {
			k.settled("", ResultDone, ResultRefused)
		} else {
			k.settled(a.other, ResultDone, ResultAsked, ResultRefused)
		}
	case doPresent:
		if a.id == 0 || k.waits[a.leg] && a.id == k.last[a.leg] {
			k.ask(a.leg)
		}
		if a.id != 0 {
			k.answered(a.leg, a.id)
		}
	case doRefuseOffer:
		k.answered(a.leg, a.id)
	case doUndo:
		k.signal("", Settled{At: k.at(), Result: ResultUndone})
	}
}

// step lets one of the legs do something that sip lets it do.
func (k *talkers) step(legs []LegID) {
	leg := rapid.SampledFrom(legs).Draw(k.r, "leg")
	switch rapid.SampledFrom([]string{"offer", "want", "withdraw", "late", "accept", "decline"}).Draw(k.r, "what") {
	case "offer", "want":
		if k.waits[leg] || k.owes[leg] { // 500 or 491 below
			return
		}
		k.last[leg]++
		k.waits[leg] = true
		var body []byte
		if rapid.Bool().Draw(k.r, "with a body") {
			body = []byte("offer")
		}
		k.signal(leg, Offered{k.at(), k.last[leg], body})
	case "withdraw":
		if k.waits[leg] {
			k.waits[leg] = false
			k.told[fmt.Sprint(leg, k.last[leg])]++
			k.signal(leg, Withdrawn{k.at(), k.last[leg]})
		}
	case "late": // the cancel was faster than the answer that the machine gave
		if k.last[leg] > 0 && !k.waits[leg] && !k.owes[leg] {
			k.signal(leg, Withdrawn{k.at(), k.last[leg]})
		}
	case "accept":
		k.reply(leg, true)
	case "decline":
		k.reply(leg, false)
	}
}

func (k *talkers) reply(leg LegID, yes bool) {
	if !k.owes[leg] || k.m.state != inProgress {
		return
	}
	k.owes[leg] = false
	if yes {
		k.signal(leg, Accepted{k.at(), []byte("answer")})
		return
	}
	k.signal(leg, Declined{k.at(), Cause{Status: 488, Remote: true}})
}

// TestEveryOfferGetsItsAnswer: whatever two legs offer each other in whatever
// order, every offer is answered or refused exactly once, nobody is made an
// offer while he owes an answer, and when all is said nothing is left open: the
// next offer is not told to wait.
func TestEveryOfferGetsItsAnswer(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := machineIn(t, inProgress)
		k := &talkers{r: r, m: m, now: zero, last: map[LegID]int{}, waits: map[LegID]bool{}, owes: map[LegID]bool{}, told: map[string]int{}}
		legs := []LegID{m.talk.caller, m.talk.callee}
		for range rapid.IntRange(0, 40).Draw(r, "steps") {
			if m.state != inProgress { // one would not be put back
				return
			}
			k.step(legs)
		}
		for range 10 { // answers owed may be followed by others
			k.reply(legs[0], true)
			k.reply(legs[1], true)
		}
		if m.exchange != nil || k.owes[legs[0]] || k.owes[legs[1]] {
			r.Fatalf("left open: %+v, owed %v", m.exchange, k.owes)
		}
		for _, leg := range legs {
			for id := 1; id <= k.last[leg]; id++ {
				if n := k.told[fmt.Sprint(leg, id)]; n != 1 {
					r.Fatalf("offer %d of %s was answered %d times", id, leg, n)
				}
			}
		}
	})
}
