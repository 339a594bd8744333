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

// playback says how far a cue came.
func (c *cue) playback(end media.PlayEnd) media.Playback {
	sum := c.sound.Hash()
	return media.Playback{
		ID: c.id, To: c.order.To, For: c.order.For, Sound: c.order.Sound, Hash: hex.EncodeToString(sum[:8]),
		Complete: c.complete, Heard: c.heard, Times: c.times, End: end,
	}
}
