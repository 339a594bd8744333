package call

import (
	"container/list"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"
)

// answerersMost is how many times a node remembers who answered a caller: beyond
// that what was not asked for or renewed for longest is forgotten.
const answerersMost = 100_000

// How long something is remembered that nobody has asked for: who answered a caller
// is about a person, and a step whose turn it was may be gone from its flow.
const (
	answererFor day = 90
	turnFor     day = 30
)

// day is how old something is known to be: a memory that was only looked at need not
// be written down more often.
type day int

func today() day { return day(time.Now().Unix() / (24 * 60 * 60)) }

// Memory is what a node remembers from call to call for its flows: whose turn it is
// at a step, and who has answered a caller there before. Callers are in it by their
// subject ids only. Its methods may be called by many calls at the same time.
type Memory struct {
	mu        sync.Mutex
	turns     map[string]turn
	answerers map[string]*list.Element
	recent    list.List // of answerer, the last used in front
	changes   uint64
	swept     day // when it was last looked for what is too old
}

type turn struct {
	Next uint64 `json:"next"`
	Used day    `json:"used"`
}

type answerer struct {
	Key      string `json:"key"` // account, caller and step
	Subject  string `json:"subject"`
	Identity string `json:"identity"`
	Used     day    `json:"used"`
}

// memories is a Memory as it is kept.
type memories struct {
	Turns     map[string]turn `json:"turns"`
	Answerers []answerer      `json:"answerers"` // the last used first
}

// NewMemory returns one that remembers nothing.
func NewMemory() *Memory {
	return &Memory{turns: map[string]turn{}, answerers: map[string]*list.Element{}}
}

func answererKey(w Wanted) string { return w.Account + "\x00" + w.Subject + "\x00" + w.Key }

// Turn counts the calls of an account under a key of its table, from 0, this one
// included: each call has another number, whichever goroutine it runs in.
func (m *Memory) Turn(account, key string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	key = account + "\x00" + key
	n := m.turns[key].Next
	m.turns[key] = turn{n + 1, today()}
	m.changes++
	return n
}

// Answered is who answered a caller at a step last; empty: nobody that is remembered.
func (m *Memory) Answered(w Wanted) string {
	if w.Subject == "" {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.answerers[answererKey(w)]
	if e == nil {
		return ""
	}
	a := e.Value.(answerer)
	now := today()
	if now > a.Used+answererFor {
		return ""
	}
	a.Used = now
	m.stick(a)
	return a.Identity
}

// Stick remembers who has answered a caller at a step. Nobody is remembered for a
// caller who withholds his number.
func (m *Memory) Stick(w Wanted, identity string) {
	if w.Subject == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stick(answerer{answererKey(w), w.Subject, identity, today()})
}

func (m *Memory) stick(a answerer) {
	if e := m.answerers[a.Key]; e != nil {
		if e.Value.(answerer) != a {
			m.changes++
		}
		e.Value = a
		m.recent.MoveToFront(e)
		return
	}
	m.changes++
	m.answerers[a.Key] = m.recent.PushFront(a)
	if m.recent.Len() > answerersMost {
		last := m.recent.Back()
		delete(m.answerers, last.Value.(answerer).Key)
		m.recent.Remove(last)
	}
}

// expire drops what nobody has asked for in its time.
func (m *Memory) expire(now day) {
	if now == m.swept {
		return
	}
	m.swept = now
	for e := m.recent.Back(); e != nil && now > e.Value.(answerer).Used+answererFor; e = m.recent.Back() {
		delete(m.answerers, e.Value.(answerer).Key)
		m.recent.Remove(e)
		m.changes++
	}
	for key, t := range m.turns {
		if now > t.Used+turnFor {
			delete(m.turns, key)
			m.changes++
		}
	}
}

// Forget forgets all of a caller: he is to be erased.
func (m *Memory) Forget(subject string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for e := m.recent.Front(); e != nil; {
		next := e.Next()
		if a := e.Value.(answerer); a.Subject == subject {
			delete(m.answerers, a.Key)
			m.recent.Remove(e)
			m.changes++
		}
		e = next
	}
}

// Changes counts what has become other than it was, or too old: who has kept all of
// it at some count need not again while it is the same.
func (m *Memory) Changes() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(today())
	return m.changes
}

// Keep returns all that is remembered, for [Memory.Recall] of the next process, and
// the count of [Memory.Changes] that it stands for. It names targets: whoever stores
// it seals it. Calls wait no longer than it takes to copy it.
func (m *Memory) Keep() (kept []byte, changes uint64, err error) {
	all, changes := m.copied()
	kept, err = json.Marshal(all)
	return kept, changes, err
}

func (m *Memory) copied() (memories, uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := memories{Turns: maps.Clone(m.turns), Answerers: make([]answerer, 0, m.recent.Len())}
	for e := m.recent.Front(); e != nil; e = e.Next() {
		out.Answerers = append(out.Answerers, e.Value.(answerer))
	}
	return out, m.changes
}

// Recall takes what Keep gave; a turn never goes back.
func (m *Memory) Recall(b []byte) error {
	var in memories
	if err := json.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("memory of calls: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, t := range in.Turns {
		if t.Next > m.turns[key].Next {
			m.turns[key] = t
		}
	}
	for i := len(in.Answerers) - 1; i >= 0; i-- {
		m.stick(in.Answerers[i])
	}
	m.swept = 0
	m.expire(today())
	return nil
}
