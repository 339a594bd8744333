package call

// letterOf is how far a message is.
type letterOf uint8

const (
	noMessage letterOf = iota
	letterOpening
	letterOpen
	letterHeard // the caller is listened to for it
)

// checkLetter: each message is opened, listened to and closed once, and one alone is
// listened to.
func (w *witness) checkLetter(a action) {
	if w.letters == nil {
		w.letters = map[int]letterOf{}
	}
	switch a := a.(type) {
	case doDictate:
		if w.letters[a.number] != noMessage {
			w.fail("message %d is opened twice", a.number)
		}
		w.letters[a.number] = letterOpening
	case doListen:
		if w.letters[a.number] != letterOpen || w.listening() {
			w.fail("message %d is taken without a recording, or beside another", a.number)
		}
		w.letters[a.number] = letterHeard
	case doCloseLetter:
		is := w.letters[a.number]
		if is < letterOpen || a.tap != (is == letterHeard) || a.left != nil && !a.tap {
			w.fail("message %d is closed at stage %d, listened to: %v", a.number, is, a.tap)
		}
		delete(w.letters, a.number)
	}
}

func (w *witness) listening() bool {
	for _, is := range w.letters {
		if is == letterHeard {
			return true
		}
	}
	return false
}

// open counts the messages whose recordings are open.
func (w *witness) open() (n int) {
	for _, is := range w.letters {
		if is >= letterOpen {
			n++
		}
	}
	return n
}
