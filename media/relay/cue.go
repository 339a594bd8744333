package relay

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"ringdown/media"
	"ringdown/media/sound"
)

// cue is a sound that plays, or waits for its time to play again. A nil cue is
// none. Guarded by Relay.mu.
type cue struct {
	id    int
	order media.Play
	sound *sound.Sound   // the one whose turn it is
	all   []*sound.Sound // it and those before and behind it
	turn  int            // its place in them

	due      int64 // when it begins, or has begun
	sounding bool
	at       sound.Player
	rate     int            // of at; 0: it never began
	frames   *sound.Encoded // as payloads of our own format; nil: not asked for yet
	alone    bool           // it is encoded for this listener alone until it begins anew
	bed      sound.Bed

	heard    time.Duration
	times    int
	complete bool
}

func (c *cue) on() bool { return c != nil && c.sounding }

func (c *cue) waits(before int64) bool { return c != nil && (c.sounding || c.due <= before) }

// start begins a cue that is due.
func (c *cue) start(at int64) bool {
	if c == nil || c.sounding || c.due > at {
		return false
	}
	c.sounding = true
	c.take(0)
	c.times++
	return true
}

// count adds samples that were heard.
func (c *cue) count(samples int) {
	if !c.on() || c.rate == 0 {
		return
	}
	c.heard += time.Duration(samples) * time.Second / time.Duration(c.rate)
	if len(c.all) == 1 || c.order.Loop { // else the end of the last says so: each may be filled up
		c.complete = c.complete || c.heard >= c.length() // a loop has been round
	}
}

// tune readies the samples at a rate, from the beginning or from where they stand.
func (c *cue) tune(rate int) {
	switch c.rate {
	case rate:
		return
	case 0:
		c.at = sound.Play(c.sound, rate, c.order.Loop && len(c.all) == 1)
	default:
		c.at.Retune(rate)
	}
	c.rate = rate
}

// shared returns the payload of the frame that comes next, as it is kept for all
// who are sent the same. ok is false when that frame has to be encoded for this
// listener alone: he joined where nobody else has been yet. Then so are those
// after it, since a decoder expects them of one encoder, up to the next beginning.
func (c *cue) shared(t *tongue) (payload []byte, ok bool) {
	i := c.at.Frame()
	if c.alone = c.alone && i > 0; c.alone {
		return nil, false
	}
	if c.frames == nil {
		c.frames = t.encoded(c.sound)
	}
	if c.frames != nil {
		payload, ok = c.frames.Frame(i)
	}
	c.alone = !ok
	return payload, ok
}

// playback says how far a cue came.
func (c *cue) playback(end media.PlayEnd) media.Playback {
	sum := c.all[0].Hash()
	if len(c.all) > 1 {
		var each []byte
		for _, s := range c.all {
			h := s.Hash()
			each = append(each, h[:]...)
		}
		sum = sha256.Sum256(each)
	}
	return media.Playback{
		ID: c.id, To: c.order.To, For: c.order.For, Sound: c.order.Sound, Hash: hex.EncodeToString(sum[:8]),
		Complete: c.complete, Heard: c.heard, Times: c.times, End: end,
	}
}

// take makes one of the sounds the one whose turn it is, from its beginning.
func (c *cue) take(i int) {
	if c.turn != i {
		c.turn, c.sound, c.frames, c.alone = i, c.all[i], nil, false
	}
	c.rate = 0
}

// next goes on to the sound behind the one that is over, and round again in a loop;
// false: there is none.
func (c *cue) next() bool {
	switch i := c.turn + 1; {
	case i < len(c.all):
		c.take(i)
	case c.order.Loop:
		c.take(0)
	default:
		return false
	}
	return true
}

// length is that of all sounds together.
func (c *cue) length() (sum time.Duration) {
	for _, s := range c.all {
		sum += s.Length()
	}
	return sum
}
