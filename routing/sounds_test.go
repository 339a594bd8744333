package routing

import (
	"maps"
	"testing"
	"time"
)

func every(s string) Beep {
	var d Duration
	if err := d.UnmarshalText([]byte(s)); err != nil {
		panic("routing: " + err.Error()) // the tests' own
	}
	return Beep{Every: d}
}

// What a number says goes before what its account says, key by key, and files
// are found in the account's folder.
func TestSounds(t *testing.T) {
	account := SoundPolicy{Folder: "/prompts", MusicOnHold: "music.wav", Ringback: "de", Beep: every("PT15S")}
	caller := every("PT20S")
	caller.To = BeepCaller
	for _, c := range []struct {
		account, number SoundPolicy
		want            Sounds
	}{
		{SoundPolicy{}, SoundPolicy{}, Sounds{}},
		{account, SoundPolicy{}, Sounds{"/prompts/music.wav", Ringback{Country: "de"}, Beeps{15 * time.Second, ""}}},
		{account, SoundPolicy{MusicOnHold: "/else/x.wav", Ringback: "pass", Beep: caller}, Sounds{"/else/x.wav", Ringback{}, Beeps{20 * time.Second, "caller"}}},
		{account, SoundPolicy{Ringback: "ring.WAV"}, Sounds{"/prompts/music.wav", Ringback{File: "/prompts/ring.WAV"}, Beeps{15 * time.Second, ""}}},
		{account, SoundPolicy{MusicOnHold: "off", Ringback: "pass", Beep: Beep{To: BeepOff}}, Sounds{}},
		{SoundPolicy{MusicOnHold: "off", Beep: Beep{To: BeepOff}}, SoundPolicy{}, Sounds{}},
		{SoundPolicy{MusicOnHold: "off", Beep: Beep{To: BeepOff}}, SoundPolicy{MusicOnHold: "a.wav", Beep: caller}, Sounds{"a.wav", Ringback{}, Beeps{20 * time.Second, "caller"}}},
		{SoundPolicy{Ringback: "us"}, SoundPolicy{Ringback: "gb"}, Sounds{Ringback: Ringback{Country: "gb"}}},
	} {
		if got := sounds(c.account, c.number); got != c.want {
			t.Errorf("%+v over %+v: %+v, want %+v", c.number, c.account, got, c.want)
		}
	}
	files := SoundPolicy{MusicOnHold: "a.wav", Ringback: "b.wav"}.Files("/x")
	if want := map[string]string{"music_on_hold": "/x/a.wav", "ringback": "/x/b.wav"}; !maps.Equal(files, want) {
		t.Errorf("files %v", files)
	}
}
