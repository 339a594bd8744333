package sound

// Levels in 1/32768; a step of 6 dB halves.
const (
	unity   = 1 << 15
	ducked  = unity / 4             // 12 dB down while somebody talks
	attack  = (unity - ducked) / 2  // a frame: 40 ms down
	release = (unity - ducked) / 20 // 400 ms up again
)

// talks is the mean absolute sample from which a frame counts as talk, about
// -38 dBm0: line noise stays below, a quiet voice above.
const talks = 160

// Bed mixes a sound under talk. Its zero value begins at full level. Not safe
// for concurrent use.
type Bed struct {
	// Steady keeps the sound at its level whoever talks: for what must be heard,
	// like the tone of a recording.
	Steady bool

	down int32 // by how much the sound is lowered now, of unity
}

// Mix adds sound to talk in place; both are one frame. Unless Steady, the sound
// is lowered while there is talk, and comes back slowly. What does not fit is
// clipped, never wrapped.
func (b *Bed) Mix(talk, sound []int16) {
	from := unity - b.down
	b.follow(talk)
	to := unity - b.down
	n := int32(len(talk))
	if n == 0 {
		return
	}
	for i := range min(len(talk), len(sound)) {
		gain := from + (to-from)*int32(i)/n // no step that could be heard
		talk[i] = clip(int32(talk[i]) + int32(sound[i])*gain>>15)
	}
}

func (b *Bed) follow(talk []int16) {
	if b.Steady {
		return
	}
	var sum int64
	for _, s := range talk {
		sum += int64(max(s, -s-1))
	}
	if len(talk) > 0 && sum/int64(len(talk)) >= talks {
		b.down = min(b.down+attack, unity-ducked)
	} else {
		b.down = max(b.down-release, 0)
	}
}
