package relay

import (
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
	sound *sound.Sound

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
	c.sounding, c.rate = true, 0
	c.times++
	return true
}

// count adds samples that were heard.
func (c *cue) count(samples int) {
	if !c.on() || c.rate == 0 {
		return
	}
	c.heard += time.Duration(samples) * time.Second / time.Duration(c.rate)
	c.complete = c.complete || c.heard >= c.sound.Length() // a loop has been round
}

// tune readies the samples at a rate, from the beginning or from where they stand.
func (c *cue) tune(rate int) {
	switch c.rate {
	case rate:
		return
	case 0:
		c.at = sound.Play(c.sound, rate, c.order.Loop)
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
	sum := c.sound.Hash()
	return media.Playback{
		ID: c.id, To: c.order.To, For: c.order.For, Sound: c.order.Sound, Hash: hex.EncodeToString(sum[:8]),
		Complete: c.complete, Heard: c.heard, Times: c.times, End: end,
	}
}
