//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// rtpengine is Debian's, forwarding in user space, driven by its ng protocol: a
// cookie and a dictionary in bencode over UDP.
type rtpengine struct {
	process
	record bool
	ng     net.Conn
	count  int
}

const ngAddress = "127.0.0.1:9901"

func (r *rtpengine) start(ctx context.Context, dir string, _ int) error {
	args := []string{"--config-file=none", "--table=-1", "--interface=127.0.0.1", "--listen-ng=" + ngAddress,
		"--port-min=" + strconv.Itoa(firstPort), "--port-max=31999", "--foreground", "--log-stderr", "--log-level=3",
		"--timeout=3600", "--silent-timeout=3600", "--pidfile=" + filepath.Join(dir, "rtpengine.pid")}
	if r.record {
		recordings := filepath.Join(dir, "recordings")
		if err := os.MkdirAll(recordings, 0o700); err != nil {
			return err
		}
		args = append(args, "--recording-dir="+recordings, "--recording-method=pcap", "--recording-format=raw")
	}
	if err := r.launch(ctx, "rtpengine", args...); err != nil {
		return err
	}
	var err error
	if r.ng, err = net.Dial("udp4", ngAddress); err != nil {
		return err
	}
	for range 100 { // until it listens
		if _, err = r.ask(map[string]string{"command": "ping"}, 100*time.Millisecond); err == nil {
			return nil
		}
		if !pause(ctx, 50*time.Millisecond) {
			break
		}
	}
	return errors.Join(fmt.Errorf("rtpengine does not answer: %w", err), r.stop())
}

func (r *rtpengine) open(caller, callee netip.AddrPort) (toCaller, toCallee netip.AddrPort, err error) {
	r.count++
	offer := map[string]string{"command": "offer", "call-id": fmt.Sprintf("call-%d", r.count), "from-tag": "a", "ICE": "remove"}
	if r.record {
		offer["record call"] = "yes"
	}
	offer["sdp"] = sdpOf(caller)
	if toCallee, err = r.describe(offer); err != nil {
		return
	}
	offer["command"], offer["to-tag"], offer["sdp"] = "answer", "b", sdpOf(callee)
	toCaller, err = r.describe(offer)
	return
}

// sdpOf describes a phone that speaks G.711.
func sdpOf(a netip.AddrPort) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n", a.Addr(), a.Port())
}

var audioPort = regexp.MustCompile(`m=audio (\d+) `)

// describe sends an offer or an answer and reads where the result leads to.
func (r *rtpengine) describe(d map[string]string) (netip.AddrPort, error) {
	answer, err := r.ask(d, 5*time.Second)
	if err != nil {
		return netip.AddrPort{}, err
	}
	m := audioPort.FindSubmatch(answer)
	if m == nil {
		return netip.AddrPort{}, fmt.Errorf("rtpengine: no audio in its answer %.200q", answer)
	}
	port, err := strconv.ParseUint(string(m[1]), 10, 16)
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)), err
}

// ask sends one command and returns the answer as it came. An answer whose result
// is not ok or pong is an error.
func (r *rtpengine) ask(d map[string]string, patience time.Duration) ([]byte, error) {
	cookie := fmt.Sprintf("c%d_%d", r.count, time.Now().UnixNano())
	if _, err := r.ng.Write(append([]byte(cookie+" "), bencode(d)...)); err != nil {
		return nil, err
	}
	r.ng.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 65536)
	for {
		n, err := r.ng.Read(b)
		if err != nil {
			return nil, err
		}
		answer, mine := bytes.CutPrefix(b[:n], []byte(cookie+" "))
		switch {
		case !mine: // of a question whose patience was over
		case bytes.Contains(answer, []byte("6:result2:ok")), bytes.Contains(answer, []byte("6:result4:pong")):
			return answer, nil
		default:
			return nil, fmt.Errorf("rtpengine: %.200q", answer)
		}
	}
}

// bencode writes a dictionary of strings.
func bencode(d map[string]string) []byte {
	out := []byte{'d'}
	for key, value := range d {
		out = fmt.Appendf(out, "%d:%s%d:%s", len(key), key, len(value), value)
	}
	return append(out, 'e')
}

// stop deletes the calls first: 10.5 does not survive to be stopped while it records.
func (r *rtpengine) stop() error {
	var faults []error
	for ; r.count > 0; r.count-- {
		_, err := r.ask(map[string]string{"command": "delete", "call-id": fmt.Sprintf("call-%d", r.count), "from-tag": "a", "delete-delay": "0"}, 5*time.Second)
		faults = append(faults, err)
	}
	if r.ng != nil {
		faults = append(faults, r.ng.Close())
	}
	return errors.Join(append(faults, r.end(syscall.SIGTERM))...)
}
