//go:build interop

package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"ringdown/sip/siptest"
)

// What nobody may ever read on the disk, in the log, in metrics or on NATS.
const (
	callerNumber  = "+4799912345"
	canaryDisplay = "CANARY-7f3a-Display"
	canaryOrigin  = "CANARY-7f3a-origin"
	canaryName    = "CANARY-7f3a-name"
)

// TestNothingReadable records a call of a known tone from a known number, and
// looks for both wherever Ringdown leaves bytes, while the call is up and after.
func TestNothingReadable(t *testing.T) {
	for i, codec := range []siptest.Codec{siptest.PCMU, siptest.PCMA} {
		t.Run(codec.String(), func(t *testing.T) { hide(t, fmt.Sprintf("127.0.%d", 15+i), codec) })
	}
}

func hide(t *testing.T, net string, codec siptest.Codec) {
	n := newNode(t, plan{Host: net + ".1", Sources: net + ".2", Agent: freePort(t, net+".3")})
	n.start(t, "--log-level", "debug")
	told := listenNATS(t, n)
	tone := siptest.Tone(1000)
	wanted := needles(codec, tone)
	provesItself(t, wanted, codec, tone)

	p := newPair(t, n, net+".2", codec, tone)
	sdp := string(siptest.WriteSDP(p.caller.MediaAddr(), []uint8{uint8(codec)}, "sendrecv", 1))
	sdp = strings.Replace(sdp, "\r\ns=-\r\n", "\r\ns="+canaryName+"\r\n", 1)
	user, rest, _ := strings.Cut(sdp[strings.Index(sdp, "o=")+2:], " ")
	sdp = strings.Replace(sdp, "o="+user+" "+rest, "o="+canaryOrigin+" "+rest, 1)
	if !strings.Contains(sdp, canaryName) || !strings.Contains(sdp, canaryOrigin) {
		t.Fatalf("the canaries are not in %q", sdp)
	}
	c := p.call(t, siptest.CallOptions{From: callerNumber, Display: `"` + canaryDisplay + `"`, SDP: []byte(sdp)})
	var s scan
	for range 10 { // about four seconds of tone
		s.node(t, n, wanted)
		c.hear(t, 20)
	}
	_, metrics := n.get(t, "/metrics")
	s.bytes(t, "/metrics", []byte(metrics), wanted)
	c.hangup(t)
	all := n.settled(t, 1)
	all[0].completed(t)
	s.node(t, n, wanted)
	_, metrics = n.get(t, "/metrics")
	s.bytes(t, "/metrics", []byte(metrics), wanted)
	told.await(t, "recording.completed")
	n.stop(t)
	s.files(t, n.Dir, wanted)
	s.bytes(t, "log", []byte(n.out.String()), wanted)
	s.bytes(t, "NATS", []byte(told.String()), wanted)
	subjects := strings.Count(told.String(), "MSG ringdown.v1.demo.call."+all[0].id+".")
	t.Logf("%d scans of %d files with %d bytes for %d needles, %d open files, %d bytes of log, %d messages with the call's subjects on NATS: %d hits",
		s.scans, s.seen, s.size, len(wanted), s.open, len(n.out.String()), subjects, s.hits)
	if subjects < len(all[0].events) || s.open == 0 || s.seen < 50 {
		t.Errorf("too little was looked at: %d subjects of %d events", subjects, len(all[0].events))
	}
}

// needles are the byte strings to look for, by name.
func needles(codec siptest.Codec, tone siptest.Source) map[string][]byte {
	all := map[string][]byte{}
	for _, n := range []string{callerNumber, callerNumber[1:], "00" + callerNumber[1:], callerNumber[3:], "+47 999 12 345", "999 12 345"} {
		spell(all, "number "+n, n)
	}
	for _, c := range []string{canaryDisplay, canaryOrigin, canaryName, "CANARY-7f3a"} {
		spell(all, "canary "+c, c)
	}
	const period = 8 // samples of 1 kHz
	samples := tone.Render(50)
	coded := codec.Encode(nil, samples)
	played := codec.Decode(nil, coded)
	for at := 0; at < len(coded); at += siptest.FrameSize {
		payload := coded[at : at+siptest.FrameSize]
		all[fmt.Sprintf("payload %x…", payload[:4])] = payload
		all[fmt.Sprintf("period %x", payload[:period])] = payload[:period]
	}
	for _, other := range []siptest.Codec{siptest.PCMU, siptest.PCMA} {
		all["period as "+other.String()] = other.Encode(nil, played[:period])
	}
	for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		var linear, original []byte
		for i := range period {
			linear = order.AppendUint16(linear, uint16(played[i]))
			original = order.AppendUint16(original, uint16(samples[i]))
		}
		all["linear "+name], all["original "+name] = linear, original
	}
	return all
}

// spell adds the ways in which a text may lie on a disk.
func spell(all map[string][]byte, name, text string) {
	all[name] = []byte(text)
	all[name+", hex"] = []byte(hex.EncodeToString([]byte(text)))
	var little, big []byte
	for _, u := range utf16.Encode([]rune(text)) {
		little, big = binary.LittleEndian.AppendUint16(little, u), binary.BigEndian.AppendUint16(big, u)
	}
	all[name+", UTF-16LE"], all[name+", UTF-16BE"] = little, big
	for shift := range 3 { // base64 depends on where the text begins; its edges are its neighbours'
		whole := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), text...))
		if inner := whole[(shift*8+5)/6 : len(whole)-1]; len(inner) >= 9 {
			all[fmt.Sprintf("%s, base64 at %d", name, shift)] = []byte(inner)
		}
	}
}

// provesItself shows that a scan finds each needle when it is there.
func provesItself(t *testing.T, wanted map[string][]byte, codec siptest.Codec, tone siptest.Source) {
	t.Helper()
	for name, needle := range wanted {
		if len(needle) < 8 {
			t.Fatalf("needle %s has only %d bytes", name, len(needle))
		}
	}
	noise := bytes.Repeat([]byte{0x5a}, 1000)
	for _, clear := range [][]byte{
		codec.Encode(nil, tone.Render(2)), []byte("From: <sip:" + callerNumber + "@x>"), []byte(`{"n":"99912345"}`),
		[]byte(base64.StdEncoding.EncodeToString([]byte("sip:" + callerNumber + "@somewhere"))), []byte("s=" + canaryName),
	} {
		hay := append(append(append([]byte{}, noise...), clear...), noise...)
		if len(find(hay, wanted)) == 0 {
			t.Fatalf("the scan does not find %q", clear[:min(20, len(clear))])
		}
	}
	if hits := find(noise, wanted); len(hits) > 0 {
		t.Fatalf("the scan finds %q in noise", hits)
	}
}

func find(hay []byte, wanted map[string][]byte) (hits []string) {
	for name, needle := range wanted {
		if bytes.Contains(hay, needle) {
			hits = append(hits, name)
		}
	}
	return hits
}

// scan counts what was looked at.
type scan struct {
	scans, seen, open, hits int
	size                    int64
}

// node looks at everything under the data directory of a running node, and at
// every file it has open, with or without a name.
func (s *scan) node(t *testing.T, n *node, wanted map[string][]byte) {
	t.Helper()
	s.files(t, n.Dir, wanted)
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", n.pid()))
	if err != nil || len(open) == 0 {
		t.Fatalf("open files of serve: %v", err)
	}
	for _, fd := range open {
		name, _ := os.Readlink(fd)
		if info, err := os.Stat(fd); err == nil && info.Mode().IsRegular() && !strings.HasPrefix(name, "anon_inode:") {
			s.file(t, fd, "open "+name, wanted)
			s.open++
		}
	}
	s.bytes(t, "log", []byte(n.out.String()), wanted)
}

func (s *scan) files(t *testing.T, dir string, wanted map[string][]byte) {
	t.Helper()
	s.scans++
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // renamed or removed while we looked
		}
		if err != nil {
			return err
		}
		s.bytes(t, "name of "+path, []byte(strings.TrimPrefix(path, dir)), wanted)
		if d.Type().IsRegular() {
			s.file(t, path, path, wanted)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *scan) file(t *testing.T, path, name string, wanted map[string][]byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	s.seen++
	s.bytes(t, name, b, wanted)
}

func (s *scan) bytes(t *testing.T, name string, b []byte, wanted map[string][]byte) {
	t.Helper()
	s.size += int64(len(b))
	for _, hit := range find(b, wanted) {
		s.hits++
		t.Errorf("%s holds %s in the clear", name, hit)
	}
}
