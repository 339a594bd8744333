package sdp

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the .offer files")

var us = Ours{ID: 77, Version: 1, Media: netip.MustParseAddrPort("198.18.0.1:20000")}

// TestCorpus turns what real telephones send into the offer for the other
// party; the .offer files beside the .sdp files are that offer or the refusal.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.sdp")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".sdp"), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			if d, err := Parse(body); err != nil {
				got = []byte("refused: " + err.Error() + "\n")
			} else if offer, err := d.Offer(us); err != nil {
				got = []byte("refused: " + err.Error() + "\n")
			} else {
				check(t, d, offer)
				got = bytes.ReplaceAll(offer, []byte("\r\n"), []byte("\n"))
			}
			golden := strings.TrimSuffix(file, "sdp") + "offer"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// check holds what must be true of every description we write: it parses, it
// can be relayed, it means what the party's meant, and no address but ours is in it.
func check(t *testing.T, from *Description, text []byte) *Description {
	t.Helper()
	if n := bytes.Count(text, []byte("\n")); n != bytes.Count(text, []byte("\r\n")) || !bytes.HasSuffix(text, []byte("\r\n")) {
		t.Errorf("line ends are not CRLF:\n%q", text)
	}
	d, err := Parse(text)
	if err != nil {
		t.Fatalf("ours does not parse: %v\n%s", err, text)
	}
	if err := d.Acceptable(); err != nil {
		t.Fatalf("ours is not acceptable: %v\n%s", err, text)
	}
	rtp, rtcp := d.Remote()
	if rtp != us.Media || rtcp != netip.AddrPortFrom(us.Media.Addr(), us.Media.Port()+1) {
		t.Errorf("ours leads to %v and %v", rtp, rtcp)
	}
	bare := bytes.ReplaceAll(text, []byte(us.Media.Addr().String()), nil)
	for _, l := range strings.Split(string(bare), "\r\n") {
		if looksLikeAddress(l) {
			t.Errorf("foreign address in %q", l)
		}
	}
	for _, l := range d.everyLine() {
		name, value := l.name, l.arg
		switch name {
		case "candidate", "crypto", "ice-ufrag", "ice-pwd", "fingerprint", "rtcp-mux", "rtcp", "ssrc", "cname", "tool", "mid", "group":
			t.Errorf("a=%s is in\n%s", name, text)
		}
		if name != "" && from.tells(value, false) {
			t.Errorf("a=%s:%s tells a host name", name, value)
		}
	}
	return d
}
