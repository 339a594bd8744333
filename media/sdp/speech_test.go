package sdp

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ringdown/media"
)

func spoken(f media.Format) bool { return f.Name == "PCMU" || f.Name == "PCMA" || f.Name == "OPUS" }

// audioOf is the m=audio line of a description and its attributes, in one line.
func audioOf(body []byte) string {
	_, audio, _ := strings.Cut(string(body), "m=audio ")
	return strings.TrimSuffix(strings.ReplaceAll(audio, "\r\n", " "), " ")
}

func TestSpeechOfAnOffer(t *testing.T) {
	opus := media.Format{Name: "OPUS", Clock: 48000, Channels: 2, Params: "useinbandfec=1"}
	pcma := media.Format{Name: "PCMA", Clock: 8000, Channels: 1}
	const keys = "101\na=rtpmap:101 telephone-event/8000\na=ptime:30\na=maxptime:60"
	for name, c := range map[string]struct {
		says   string
		speech Speech
		want   string
	}{
		"nothing asked": {"0 8 " + keys, Speech{}, "0 8 101 a=rtpmap:101 telephone-event/8000 a=ptime:30 a=maxptime:60"},
		"in another order": {"0 8 " + keys, Speech{Codecs: []string{"PCMA", "G729", "PCMU"}},
			"8 0 101 a=rtpmap:101 telephone-event/8000 a=ptime:30 a=maxptime:60"},
		"one is not allowed": {"0 8 18 " + keys, Speech{Codecs: []string{"PCMA"}}, "8 101 a=rtpmap:101 telephone-event/8000 a=ptime:30 a=maxptime:60"},
		"ours behind theirs": {"0 " + keys, Speech{Codecs: []string{"OPUS", "PCMU", "PCMA"}, Add: []media.Format{opus, pcma}},
			"0 96 8 101 a=rtpmap:101 telephone-event/8000 a=ptime:30 a=maxptime:60 a=rtpmap:96 opus/48000/2 a=fmtp:96 useinbandfec=1 a=rtpmap:8 PCMA/8000"},
		"a number that is taken": {"0 96\na=rtpmap:96 speex/8000", Speech{Codecs: []string{"PCMU", "OPUS"}, Add: []media.Format{opus}},
			"0 97 a=rtpmap:97 opus/48000/2 a=fmtp:97 useinbandfec=1"},
		"they have it": {"0 111\na=rtpmap:111 opus/48000/2", Speech{Codecs: []string{"OPUS", "PCMU"}, Add: []media.Format{opus}},
			"111 0 a=rtpmap:111 opus/48000/2"},
		"a stray rtpmap": {"0\na=rtpmap:96 speex/8000", Speech{Codecs: []string{"OPUS", "PCMU"}, Add: []media.Format{opus}},
			"0 96 a=rtpmap:96 opus/48000/2 a=fmtp:96 useinbandfec=1"},
		"packet time": {"0 " + keys, Speech{PacketTime: 20 * time.Millisecond}, "0 101 a=rtpmap:101 telephone-event/8000 a=ptime:20"},
	} {
		t.Run(name, func(t *testing.T) {
			us := us
			us.Speech = c.speech
			body, err := parsed(t, "\nm=audio 5000 RTP/AVP "+c.says+"\n").Offer(us)
			if err != nil {
				t.Fatal(err)
			}
			_, got, _ := strings.Cut(audioOf(body), "RTP/AVP ")
			if got != c.want+" a=sendrecv" {
				t.Errorf("offered\n%s, want\n%s", got, c.want)
			}
		})
	}
}

func TestConvertedAnswers(t *testing.T) {
	const opusKeys = "96 97 98\na=rtpmap:96 opus/48000/2\na=rtpmap:97 telephone-event/8000\na=rtpmap:98 telephone-event/48000"
	us := us
	us.Speech.Convert = spoken
	for name, c := range map[string]struct{ offer, answer, want string }{
		"his own codec":             {"18 0 8", opusKeys, "0"},
		"keys in his clock":         {opusKeys, "8 101\na=rtpmap:101 telephone-event/8000", "96 98"},
		"keys in another clock":     {"96 97\na=rtpmap:96 opus/48000/2\na=rtpmap:97 telephone-event/8000", "8 101\na=rtpmap:101 telephone-event/8000", "96 97"},
		"nobody to hear his keys":   {opusKeys, "8", "96"},
		"nothing to convert":        {"18", "8", ""},
		"nothing to convert to":     {"8", "18", ""},
		"a codec in common is kept": {"0 8", "8", "8"},
	} {
		t.Run(name, func(t *testing.T) {
			offer, answer := parsed(t, "\nm=audio 5000 RTP/AVP "+c.offer+"\n"), parsed(t, "\nm=audio 6000 RTP/AVP "+c.answer+"\n")
			for which, write := range map[string]func() ([]byte, error){
				"Answer":   func() ([]byte, error) { return Answer(offer, answer, us) },
				"Accept":   func() ([]byte, error) { return Accept(offer, answer, us) },
				"Reanswer": func() ([]byte, error) { return Reanswer(offer, offer, answer, us) },
			} {
				body, err := write()
				if c.want == "" {
					if !errors.Is(err, ErrUnacceptable) {
						t.Errorf("%s: %v", which, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", which, err)
					continue
				}
				types, _, _ := strings.Cut(strings.TrimPrefix(audioOf(body), "20000 RTP/AVP "), " a=")
				if types != c.want {
					t.Errorf("%s: %q, want %q", which, types, c.want)
				}
				if back, err := Parse(body); err != nil || back.Acceptable() != nil {
					t.Errorf("%s: %v %v", which, err, back.Acceptable())
				}
			}
		})
	}
}

func TestKeep(t *testing.T) {
	d := parsed(t, "\nm=audio 5000 RTP/AVP 0 8 99 101\na=rtpmap:101 telephone-event/8000\n")
	kept, err := d.Keep(func(f media.Format) bool { return f.Name == "PCMA" })
	if err != nil || string(kept.Types()) != "\x08\x65" || len(kept.Formats()) != 2 {
		t.Errorf("kept %v %v, %v", kept.Types(), kept.Formats(), err)
	}
	if len(d.Types()) != 4 {
		t.Error("the description itself was changed")
	}
	if kept, err = d.Keep(func(f media.Format) bool { return f.Name == "" }); err != nil || string(kept.Types()) != "\x63\x65" {
		t.Errorf("kept %v, %v", kept.Types(), err)
	}
	if _, err = d.Keep(func(media.Format) bool { return false }); !errors.Is(err, ErrUnacceptable) {
		t.Errorf("without speech: %v", err)
	}
}
