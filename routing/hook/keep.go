package hook

import (
	"cmp"
	"maps"
	"sync"
	"time"

	"ringdown/routing"
)

// mostKept bounds the replies that are remembered. Beyond it those whose time is
// up go, and if there are none of them nothing more is remembered.
const mostKept = 10_000

// kept remembers replies for hooks that say how long theirs count, by caller: his
// subject, never his number. Only replies are kept, no failures.
type kept struct {
	mu  sync.Mutex
	all map[keptKey]keptReply

	first time.Time // when it is full: before that the time of none of them is up
}

type keptKey struct{ hook, account, subject string }

type keptReply struct {
	reply routing.HookReply
	until time.Time
}

// placeOf is where the reply to a question would be; ok: it may be kept.
func placeOf(h *routing.Hooked, q Question) (key keptKey, ok bool) {
	return keptKey{cmp.Or(h.URL, h.Subject), q.Account, q.Subject}, h.Keep > 0 && q.Subject != ""
}

func (k *kept) find(key keptKey, now time.Time) (routing.HookReply, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.all[key]
	return r.reply, ok && now.Before(r.until)
}

func (k *kept) put(key keptKey, r routing.HookReply, until, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil {
		k.all = map[keptKey]keptReply{}
	}
	if len(k.all) >= mostKept && !now.Before(k.first) {
		k.first = until
		maps.DeleteFunc(k.all, func(_ keptKey, r keptReply) bool {
			over := !now.Before(r.until)
			if !over && r.until.Before(k.first) {
				k.first = r.until
			}
			return over
		})
	}
	if len(k.all) < mostKept {
		k.all[key] = keptReply{r, until}
	}
}
