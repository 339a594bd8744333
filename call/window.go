package call

import (
	"container/list"
	"time"
)

// windows counts what has happened lately under many keys, each in a window that
// slides. It remembers the keys that were used last, and of each as many moments as
// it holds; where moments do not fit they are put together as if they had all
// happened when the last of them did, so that nothing is counted too low. It has no
// clock and no lock.
type windows struct {
	most int // keys
	of   map[windowKey]*list.Element
	last *list.List // of *window, the key used last in front
}

// windowKey is what is counted; of a person or a destination only a hash is here.
type windowKey struct {
	kind, of string
	who      uint64
}

type window struct {
	key     windowKey
	moments []moment
}

type moment struct {
	at    time.Time
	units int
}

const mostMoments = 1024

func newWindows(most int) windows {
	return windows{most: most, of: map[windowKey]*list.Element{}, last: list.New()}
}

// sum returns what has happened under a key within the window that ends now.
func (w *windows) sum(key windowKey, now time.Time, over time.Duration) (units int) {
	e := w.of[key]
	if e == nil {
		return 0
	}
	for _, m := range e.Value.(*window).moments {
		if now.Sub(m.at) < over {
			units += m.units
		}
	}
	return units
}

// add notes that something has happened.
func (w *windows) add(key windowKey, now time.Time, over time.Duration, units int) {
	e := w.of[key]
	if e == nil {
		e = w.last.PushFront(&window{key: key})
		w.of[key] = e
	}
	w.last.MoveToFront(e)
	v := e.Value.(*window)
	old := 0
	for old < len(v.moments) && now.Sub(v.moments[old].at) >= over {
		old++
	}
	v.moments = append(v.moments[old:], moment{now, units})
	if len(v.moments) > mostMoments {
		v.moments[1].units += v.moments[0].units
		v.moments = v.moments[1:]
	}
	for w.last.Len() > w.most {
		e := w.last.Back()
		delete(w.of, e.Value.(*window).key)
		w.last.Remove(e)
	}
}

// known reports whether a key was used within the window, and uses it.
func (w *windows) known(key windowKey, now time.Time, over time.Duration) bool {
	known := w.sum(key, now, over) > 0
	if e := w.of[key]; e != nil {
		e.Value.(*window).moments = nil
	}
	w.add(key, now, over, 1)
	return known
}
