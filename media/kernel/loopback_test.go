//go:build netns && linux

package kernel

import (
	"bytes"
	"testing"
	"time"
)

func TestOnLoopback(t *testing.T) {
	for _, c := range []struct{ name, host string }{{"IPv4", "127.0.0.1"}, {"IPv6", "[::1]"}} {
		t.Run(c.name, func(t *testing.T) {
			a, b := listenAt(t, c.host+":0"), listenAt(t, c.host+":0")
			in, out := listenAt(t, c.host+":0"), listenAt(t, c.host+":0")
			type copied struct {
				tag uint64
				at  time.Time
				pkt []byte
			}
			var copies []copied
			e := open(t, Config{Tap: func(tag uint64, at time.Time, pkt []byte) {
				copies = append(copies, copied{tag, at, bytes.Clone(pkt)})
			}})
			f := plain(in.at, a.at, out.at, b.at)
			f.Copy = true
			set(t, e, f)

			sent := time.Now()
			want := rtp(8, 1000, 160, 0xabcd)
			a.send(in.at, want)
			got, from := b.hear()
			if !bytes.Equal(got, want) || from != out.at {
				t.Errorf("heard %x from %s, want %x from %s", got, from, want, out.at)
			}
			in.silent()

			last, ok := e.Remove(in.at)
			if !ok || last.Packets != 1 || last.Bytes != 172 || last.Expected != 1 || last.Lost() != 0 {
				t.Errorf("counts %+v", last)
			}
			if d := last.Last.Sub(sent); d < 0 || d > time.Second || last.First != last.Last {
				t.Errorf("last seen %v after it was sent", d)
			}
			e.Close() // with the last copies
			if len(copies) != 1 || copies[0].tag != 7 || !bytes.Equal(copies[0].pkt, want) {
				t.Fatalf("copies %v", copies)
			}
			if d := copies[0].at.Sub(sent); d < 0 || d > time.Second {
				t.Errorf("copied %v after it was sent", d)
			}
			a.send(in.at, want)
			if got, from := in.hear(); !bytes.Equal(got, want) || from != a.at {
				t.Errorf("without the engine heard %x from %s", got, from)
			}
		})
	}
}
