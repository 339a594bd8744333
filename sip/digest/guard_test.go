package digest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

var algorithms = []string{SHA256, MD5}

// asked is somebody who answers a guard's challenges.
type asked struct {
	*testing.T
	g     *Guard
	users map[string]string
}

func newAsked(t *testing.T) *asked {
	return &asked{t, NewGuard(), map[string]string{"bob": "zanzibar"}}
}

func (a *asked) check(c Credentials, who string) Verdict {
	return a.g.Check(c, "INVITE", "biloxi.com", who, algorithms, func(user string) (string, bool) {
		p, ok := a.users[user]
		return p, ok
	})
}

func (a *asked) answer(ch Challenge, user, password string, nc uint32) Credentials {
	a.Helper()
	c, ok := ch.Answer(Secret{user, password}, "INVITE", "sip:x@biloxi.com", "cn", nc)
	if !ok {
		a.Fatal("challenge is not usable")
	}
	return c
}

func (a *asked) want(c Credentials, want Verdict, what string) {
	a.Helper()
	if got := a.check(c, "10.0.0.1"); got != want {
		a.Errorf("%s: %d, want %d", what, got, want)
	}
}

func (a *asked) fresh() []Challenge {
	return a.g.Challenges("biloxi.com", "10.0.0.1", algorithms, false)
}

func TestGuard(t *testing.T) {
	a := newAsked(t)
	both := a.fresh()
	if len(both) != 2 || both[0].Algorithm != SHA256 || both[1].Algorithm != MD5 || both[0].Nonce == both[1].Nonce {
		t.Fatalf("%+v", both)
	}
	for _, ch := range both {
		a.want(a.answer(ch, "bob", "zanzibar", 1), Accepted, ch.Algorithm)
		a.want(a.answer(ch, "bob", "zanzibar", 1), Stale, "the same again")
		a.want(a.answer(ch, "bob", "zanzibar", 5), Accepted, "a count that rose")
		a.want(a.answer(ch, "bob", "zanzibar", 4), Stale, "a count that fell")
		a.want(a.answer(ch, "bob", "zanzibar", 0), Stale, "a count of 0")
	}
	ch := a.fresh()[0]
	a.want(a.answer(ch, "bob", "zanzibaR", 1), Wrong, "wrong password")
	a.want(a.answer(ch, "eve", "zanzibar", 1), Wrong, "unknown user")
	a.want(a.answer(ch, "eve", "an unknown user has a password too", 1), Wrong, "the password that unknown users have")
	a.want(a.answer(ch, "bob", "zanzibar", 1), Accepted, "a nonce is not used up by who does not know the password")
	old := a.fresh()[1]
	old.QOP = nil
	a.want(a.answer(old, "bob", "zanzibar", 0), Accepted, "the older form")
	a.want(a.answer(old, "bob", "zanzibar", 0), Stale, "the older form again")
	weak := a.fresh()[0]
	weak.Algorithm = SHA512T256
	a.want(a.answer(weak, "bob", "zanzibar", 1), Wrong, "an algorithm that was not offered")
	other := a.answer(a.fresh()[0], "bob", "zanzibar", 1)
	if v := a.check(other, "10.0.0.2"); v != Missing {
		t.Errorf("from elsewhere: %d", v)
	}
	other.Realm = "atlanta.com"
	a.want(other, Missing, "another realm")
	made := a.fresh()[0]
	made.Nonce = NewGuard().nonce("biloxi.com", "10.0.0.1")
	a.want(a.answer(made, "bob", "zanzibar", 1), Missing, "a nonce of another process")
	made.Nonce = "x"
	a.want(a.answer(made, "bob", "zanzibar", 1), Missing, "a nonce that is none")
}

func TestNonceLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked(t)
		ch := a.fresh()[0]
		time.Sleep(Lifetime)
		a.want(a.answer(ch, "bob", "zanzibar", 1), Accepted, "at the end of its life")
		time.Sleep(time.Millisecond)
		a.want(a.answer(ch, "bob", "zanzibar", 2), Stale, "after it")
		a.want(a.answer(ch, "bob", "wrong", 3), Wrong, "stale is for who knows the password")
		a.want(a.answer(a.fresh()[0], "bob", "zanzibar", 1), Accepted, "a new one")
		if len(a.g.used) != 1 || a.g.order.Len() != 1 {
			t.Errorf("%d, %d remembered", len(a.g.used), a.g.order.Len())
		}
	})
}

// However many are used, memory has a bound and none can be used again.
func TestNonceMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked(t)
		var first []Challenge
		for i := range Nonces + 100 {
			ch := a.fresh()[1]
			if i < 200 {
				first = append(first, ch)
			}
			a.want(a.answer(ch, "bob", "zanzibar", 1), Accepted, fmt.Sprint(i))
			time.Sleep(time.Millisecond)
		}
		if len(a.g.used) != Nonces || a.g.order.Len() != Nonces {
			t.Errorf("%d, %d remembered", len(a.g.used), a.g.order.Len())
		}
		for i, ch := range first {
			a.want(a.answer(ch, "bob", "zanzibar", 1), Stale, fmt.Sprintf("number %d again", i))
		}
	})
}

// The work for a user that is not there is the work for one that is.
func BenchmarkCheck(b *testing.B) {
	a := &asked{g: NewGuard(), users: map[string]string{"bob": "zanzibar"}}
	for _, user := range []string{"bob", "eve"} {
		b.Run(user, func(b *testing.B) {
			ch := a.fresh()[0]
			c, _ := ch.Answer(Secret{user, "wrong"}, "INVITE", "sip:x@biloxi.com", "cn", 1)
			for b.Loop() {
				if a.check(c, "10.0.0.1") != Wrong {
					b.Fatal("let in")
				}
			}
		})
	}
}
