package call

import (
	"cmp"
	"time"

	"ringdown/events"
	"ringdown/media"
)

// What a sound is for.
const (
	forRingback = "ringback"
	forHold     = "music-on-hold"
	forBeep     = "beep"
)

// sounding names a sound that plays in a call: there is one for each purpose and side.
type sounding struct {
	purpose string
	to      media.Side
	room    LegID // whose anteroom it plays in; empty: the call's relay
}

type (
	// doAwait answers the caller by ourselves, before anybody else has, and tells
	// him so by a 183; plainly, by 180 alone, when that cannot be.
	doAwait struct{}
	// doPlay plays a sound; when that fails the answer is Sounded.
	doPlay struct {
		what  sounding
		order media.Play
	}
	// doStopPlay ends it; the answer is Sounded, unless it has ended by itself.
	doStopPlay struct{ what sounding }
)

func (doAwait) isAction()    {}
func (doPlay) isAction()     {}
func (doStopPlay) isAction() {}

// Sounded says what became of a sound that was stopped, or could not begin.
type Sounded struct {
	At
	Playback media.Playback
	Room     LegID // in whose anteroom; empty: on the call's relay
}

// play begins a sound, unless it plays already.
func (m *machine) play(purpose string, order media.Play) { m.playIn("", purpose, order) }

func (m *machine) playIn(room LegID, purpose string, order media.Play) {
	what := sounding{purpose, order.To, room}
	if m.sounds[what] {
		return
	}
	if m.sounds == nil {
		m.sounds = map[sounding]bool{}
	}
	m.sounds[what] = true
	order.For = purpose
	m.do(doPlay{what, order})
}

// quiet ends a sound, if it plays.
func (m *machine) quiet(purpose string, to media.Side) { m.quietIn("", purpose, to) }

func (m *machine) quietIn(room LegID, purpose string, to media.Side) {
	what := sounding{purpose, to, room}
	if m.sounds[what] {
		delete(m.sounds, what)
		m.do(doStopPlay{what})
	}
}

// quietAll ends all sounds, in one order.
func (m *machine) quietAll() {
	for _, a := range m.attempts {
		m.hushGuest(a)
	}
	for _, purpose := range []string{forRingback, forHold, forBeep, forOrder, forGreeting, forMenu, forMessage, forTone, forGoodbye} {
		for _, to := range []media.Side{media.Caller, media.Callee} {
			m.quiet(purpose, to)
		}
	}
}

// soundedIn takes what became of a sound, by whichever way it was learnt; past:
// another one for the same purpose plays already.
func (m *machine) soundedIn(at time.Time, room LegID, p media.Playback, past bool) {
	if !past && p.End != media.PlayStopped { // whoever stops one knows, and may have begun the next already
		delete(m.sounds, sounding{p.For, p.To, room})
	}
	m.tellSound(at, room, p)
	switch {
	case past:
	case m.state == ringing:
		m.heardBy(at, room, p)
	case m.state == attending:
		m.prompted(at, p)
	case m.state == inProgress && (p.For == forOrder || p.End == media.PlayReplaced):
		m.music() // goes on where an order had its place
		m.beeps()
	}
}

func (m *machine) tellSound(at time.Time, room LegID, p media.Playback) {
	data := events.MediaPlayedData{
		Sound: p.For, Hash: p.Hash, Side: p.To.String(), Complete: p.Complete,
		PlayedMS: p.Heard.Milliseconds(), Times: p.Times, End: string(p.End),
	}
	switch l := m.leg(m.talk.on(p.To)); {
	case l != nil:
		data.Leg = l.ulid
	case p.To == media.Caller:
		data.Leg = m.legs[0].ulid
	default:
		if l = m.leg(cmp.Or(room, m.legOn(media.Callee))); l != nil {
			data.Leg = l.ulid
		}
	}
	m.publish(events.MediaPlayed, at, data)
}

// ringsOurselves reports whether the caller is to hear a ringback tone of ours:
// his trunk must take early media, and he must have made an offer to answer.
func (m *machine) ringsOurselves() bool {
	return !m.decision.Sounds.Ringback.IsZero() && !m.decision.Ringback && !m.delayed()
}

// ringOut lets the caller hear our ringback tone.
func (m *machine) ringOut() {
	if m.sounds[sounding{purpose: forRingback, to: media.Caller}] {
		return
	}
	if now := (progress{183, forRingback}); now != m.heardOf {
		m.heardOf = now
		m.do(doAwait{})
	}
	tone := m.decision.Sounds.Ringback
	m.play(forRingback, media.Play{To: media.Caller, Sound: media.Sound{File: tone.File, Ringback: tone.Country}, Loop: true})
}

// music plays to whoever is held, while he himself holds nobody.
func (m *machine) music() {
	holds := m.hold.all()
	for _, to := range []media.Side{media.Caller, media.Callee} {
		held := holds.on(to.Other()) && !holds.on(to) && m.leg(m.talk.on(to)) != nil
		switch file := m.decision.Sounds.MusicOnHold; {
		case !held || file == "":
			m.quiet(forHold, to)
		case !m.playsByOrder(to, false): // it comes back when that is over
			m.play(forHold, media.Play{To: to, Sound: media.Sound{File: file}, Loop: true})
		}
	}
}

// beeps lets the parties hear that they are recorded, once both of them talk; not
// while the recording is paused.
func (m *machine) beeps() {
	b := m.decision.Sounds.Beep
	if b.Every <= 0 || m.recording != recording || m.state != inProgress {
		return
	}
	for _, to := range []media.Side{media.Caller, media.Callee} {
		switch {
		case m.keys.paused:
			m.quiet(forBeep, to)
		case m.playsByOrder(to, true): // they come back when that is over
		case b.To == "" || b.To == to.String():
			m.play(forBeep, media.Play{To: to, Sound: media.Sound{Beep: true}, Under: true, Level: true, Every: b.Every})
		}
	}
}

// await answers the caller by ourselves.
func (c *Call) await() {
	body, err := c.relay.Await(media.Caller)
	if err != nil {
		c.log.Warn("the caller hears his own phone ring: our tone cannot be offered to him", "error", err)
		c.a.Progress(180, nil)
		return
	}
	c.a.Progress(183, body)
}

func (c *Call) play(a doPlay) Signal {
	id, err := c.relayOf(a.what.room).Play(a.order)
	if err != nil {
		c.log.Warn("a sound cannot be played", "sound", a.what.purpose, "to", a.what.to.String(), "error", err)
		return Sounded{At{c.now()}, media.Playback{To: a.what.to, For: a.what.purpose, Sound: a.order.Sound, End: media.PlayFailed}, a.what.room}
	}
	if c.playing == nil {
		c.playing = map[sounding]int{}
	}
	c.playing[a.what] = id
	return nil
}

func (c *Call) stopPlay(a doStopPlay) Signal {
	if done, ok := c.relayOf(a.what.room).Stop(c.playing[a.what]); ok {
		return Sounded{At{c.now()}, done, a.what.room}
	}
	return nil
}
