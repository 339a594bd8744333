package codec

import (
	"slices"
	"testing"
)

// What no encoder makes anything of tells no formats apart.
func TestHeeded(t *testing.T) {
	for said, want := range map[string]string{
		"":                           "",
		"x=1":                        "",
		"minptime=10;useinbandfec=1": "useinbandfec=1",
		" usedtx=1; USEINBANDFEC=1; stereo=1; cbr=0": "usedtx=1;useinbandfec=1",
		"maxaveragebitrate=510000":                   "",
		"maxaveragebitrate=48000":                    "",
		"maxaveragebitrate=47999":                    "maxaveragebitrate=32000",
		"maxaveragebitrate=31999":                    "maxaveragebitrate=24000",
		"maxaveragebitrate=6000":                     "maxaveragebitrate=6000",
		"maxaveragebitrate=1":                        "maxaveragebitrate=6000",
		"maxaveragebitrate=-1":                       "",
		"maxplaybackrate=48000":                      "",
		"maxplaybackrate=15999;cbr=1":                "maxplaybackrate=16000;cbr=1",
		"maxplaybackrate=1":                          "maxplaybackrate=8000",
	} {
		f := fOpus
		f.PT, f.Params = 99, said
		if got := Heeded(f); got.Params != want || got.PT != 0 || got.Name != f.Name || got.Clock != f.Clock {
			t.Errorf("%q: %+v, want %q", said, got, want)
		}
	}
	f := fPCMU
	f.Params = "maxaveragebitrate=8000"
	if got := Heeded(f); got.Params != "" {
		t.Errorf("G.711: %+v", got)
	}
}

// An encoder of what is heeded makes the payloads that the receiver asked for.
func TestHeededIsWhatIsHeeded(t *testing.T) {
	pcm := voice(48000, 1)
	for _, params := range []string{"maxaveragebitrate=16000;cbr=1;x=3", "maxplaybackrate=9000;useinbandfec=1", "usedtx=1;maxplaybackrate=20000"} {
		f := fOpus
		f.Params = params
		a, errA := NewEncoder(f, 48000)
		b, errB := NewEncoder(Heeded(f), 48000)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		for i := 0; i+960 <= len(pcm); i += 960 {
			if x, y := a.Encode(nil, pcm[i:i+960]), b.Encode(nil, pcm[i:i+960]); !slices.Equal(x, y) {
				t.Fatalf("%q: the frame at %d differs", params, i)
			}
		}
	}
}
