package digits

import (
	"strings"
	"testing"
	"time"

	"ringdown/media"
)

func TestReadInfo(t *testing.T) {
	for body, want := range map[string]media.Press{
		"Signal=5\r\nDuration=160\r\n":       {Digit: 5, For: 160 * time.Millisecond},
		"Signal= 5\nDuration= 160":           {Digit: 5, For: 160 * time.Millisecond},
		"signal=*\r\n":                       {Digit: media.Star, For: 0},
		"SIGNAL = #\r\nDURATION = 99999\r\n": {Digit: media.Pound, For: longestPress},
		"Signal=11\r\nDuration=0\r\n":        {Digit: media.Pound, For: 0},
		"Signal=d":                           {Digit: media.KeyD, For: 0},
		"5":                                  {Digit: 5, For: 0},
		"\r\n10\r\n":                         {Digit: media.Star, For: 0},
		"Signal=16":                          {Digit: media.Flash, For: 0},
		"hf":                                 {Digit: media.Flash, For: 0},
		"Duration=100\nSignal=1":             {Digit: 1, For: 100 * time.Millisecond},
	} {
		if got, err := ReadInfo([]byte(body)); err != nil || got != want {
			t.Errorf("%q: %v %v %v, want %v", body, uint8(got.Digit), got.For, err, want)
		}
	}
	for _, body := range []string{"", "\r\n", "Signal=", "Signal=17", "Signal=55", "Signal=x", "Duration=100", "Signal=1\nDuration=long", "+4722", strings.Repeat("1", 300)} {
		_, err := ReadInfo([]byte(body))
		if err == nil {
			t.Errorf("%q is read", body)
		} else if strings.Contains(err.Error(), "55") || strings.Contains(err.Error(), "4722") || strings.Contains(err.Error(), "long") {
			t.Errorf("the error tells the body: %v", err)
		}
	}
}

func TestInfoIsReadAsWritten(t *testing.T) {
	for e := media.Digit(0); e < 40; e++ {
		for _, kind := range []string{RelayType, PlainType} {
			body := WriteInfo(media.Press{Digit: e, For: 200 * time.Millisecond}, kind)
			if e > media.Flash {
				if body != nil {
					t.Errorf("event %d is written as %q", uint8(e), body)
				}
				continue
			}
			got, err := ReadInfo(body)
			if err != nil || got.Digit != e || kind == RelayType && got.For != 200*time.Millisecond {
				t.Errorf("event %d as %s is read as %d, %v", uint8(e), kind, uint8(got.Digit), err)
			}
		}
	}
	if got := string(WriteInfo(media.Press{Digit: media.Pound}, RelayType)); got != "Signal=#\r\nDuration=100\r\n" {
		t.Errorf("a press of no known length is %q", got)
	}
	for kind, want := range map[string]bool{RelayType: true, "Application/DTMF ; charset=utf-8": true, "application/sdp": false, "": false} {
		if Spoken(kind) != want {
			t.Errorf("%q is spoken: %v", kind, !want)
		}
	}
}

func FuzzReadInfo(f *testing.F) {
	f.Add([]byte("Signal=5\r\nDuration=160\r\n"))
	f.Add([]byte("11"))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := ReadInfo(body)
		if err != nil {
			return
		}
		if p.Digit > media.Flash || p.For < 0 || p.For > longestPress {
			t.Fatalf("%q is event %d for %v", body, uint8(p.Digit), p.For)
		}
		again, err := ReadInfo(WriteInfo(p, RelayType))
		if err != nil || again.Digit != p.Digit {
			t.Fatalf("%q comes back as event %d: %v", body, uint8(again.Digit), err)
		}
	})
}
