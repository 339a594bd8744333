package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ringdown/events"
	"ringdown/sip/siptest"
)

// demoReport is what the demo found.
type demoReport struct {
	OK        bool        `json:"ok"`
	Call      string      `json:"call"`
	Recording string      `json:"recording"`
	WAV       string      `json:"wav"`
	Data      string      `json:"data_dir"`
	Events    []demoEvent `json:"events"`
	Checks    []demoCheck `json:"checks"`
}

type demoCheck struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func (r *demoReport) check(name string, ok bool, format string, args ...any) {
	r.Checks = append(r.Checks, demoCheck{name, ok, fmt.Sprintf(format, args...)})
	r.OK = r.OK && ok
}

func (r *demoReport) write(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintln(&b)
	for _, c := range r.Checks {
		mark := "ok  "
		if !c.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(&b, "%s  %s: %s\n", mark, c.Name, c.Detail)
	}
	if r.WAV != "" {
		fmt.Fprintf(&b, "\nThe call, decrypted: %s (left: caller, right: agent)\n", r.WAV)
	}
	_, err := b.WriteTo(w)
	return err
}

// Thresholds of what counts as the same sound and as another.
const (
	sameSound  = 0.95
	otherSound = 0.3
)

func (d *demo) check(ctx context.Context, caller, agent *siptest.Dialog) *demoReport {
	r := &demoReport{OK: true, Data: d.config.Node.DataDir}
	d.mu.Lock()
	r.Events = d.events
	d.mu.Unlock()
	end := d.checkEvents(r)
	says := map[string][]int16{
		"caller": d.callerSays.Render(caller.Said()), "agent": d.agentSays.Render(agent.Said()),
	}
	for _, ear := range []struct {
		who, other string
		dialog     *siptest.Dialog
	}{{"caller", "agent", caller}, {"agent", "caller", agent}} {
		h := ear.dialog.Heard()
		likeness := siptest.Match(h.Samples, says[ear.other])
		r.check("the "+ear.who+" heard the "+ear.other, likeness.Correlation > sameSound && h.Missing == 0,
			"correlation %.3f, %d packets, %d missing", likeness.Correlation, h.Packets, h.Missing)
	}
	d.checkRecording(ctx, r, end, says)
	for _, p := range []*siptest.Phone{d.caller, d.agent} {
		if faults := p.Faults(); len(faults) > 0 {
			r.check("every SIP message was well-formed", false, "%v", faults[0])
		}
	}
	d.checkDisk(r, says["caller"])
	return r
}

// checkEvents reads the stream as a consumer would: one call, in order, no gap,
// one end.
func (d *demo) checkEvents(r *demoReport) events.CallEndedData {
	var end events.CallEndedData
	ends, gaps := 0, 0
	for i, e := range r.Events {
		if e.Seq != uint64(i+1) || e.Call != r.Events[0].Call || e.ID != fmt.Sprintf("%s-%d", e.Call, e.Seq) {
			gaps++
		}
		switch e.Type {
		case events.CallReceived:
			r.Call = e.Call
		case events.CallEnded:
			ends++
			if err := json.Unmarshal(e.Data, &end); err != nil {
				gaps++
			}
		case events.RecordingCompleted:
			var done events.RecordingCompletedData
			if json.Unmarshal(e.Data, &done) == nil {
				r.Recording = done.Recording
			}
		}
	}
	r.check("events came back from JetStream in order", len(r.Events) > 0 && gaps == 0, "%d events, seq 1 to %d, %d out of order or missing", len(r.Events), len(r.Events), gaps)
	r.check("the call ended exactly once", ends == 1 && end.Status == "completed" && end.EndedBy == "caller", "%d times, %s by %s after %s of talk", ends, end.Status, end.EndedBy, span(end.TalkMS))
	return end
}

// checkRecording verifies the sealed file, decrypts it and listens to both channels.
func (d *demo) checkRecording(ctx context.Context, r *demoReport, end events.CallEndedData, says map[string][]int16) {
	if r.Recording == "" {
		r.check("the recording is complete", false, "no recording.completed event")
		return
	}
	v, err := bookshelf{d.node.recorder}.Verify(ctx, r.Recording)
	r.check("the sealed recording is genuine", err == nil && v.OK, "signature, hash tree and every segment of %s", r.Recording)
	name := filepath.Join(d.dir, "call.wav")
	err = writeNew(name, true, func(w io.Writer) error { return bookshelf{d.node.recorder}.ExportWAV(ctx, r.Recording, w) })
	if err != nil {
		r.check("the recording opens", false, "%v", err)
		return
	}
	r.WAV = name
	left, right, err := readStereo(name)
	if err != nil {
		r.check("the WAV can be read", false, "%v", err)
		return
	}
	length := time.Duration(len(left)) * time.Second / 8000
	off := (length - time.Duration(end.TalkMS)*time.Millisecond).Abs()
	r.check("the recording is as long as the call", off <= 60*time.Millisecond, "%s, %s off", span(length.Milliseconds()), off.Round(time.Millisecond))
	for _, c := range []struct {
		name       string
		samples    []int16
		own, other string
	}{{"channel 1", left, "caller", "agent"}, {"channel 2", right, "agent", "caller"}} {
		own, other := siptest.Match(c.samples, says[c.own]), siptest.Match(c.samples, says[c.other])
		r.check(c.name+" holds the "+c.own+" and nobody else", own.Correlation > sameSound && other.Correlation < otherSound,
			"correlation %.3f with the %s, %.3f with the %s", own.Correlation, c.own, other.Correlation, c.other)
	}
}

// checkDisk looks for what must not be readable in every file the service wrote.
func (d *demo) checkDisk(r *demoReport, said []int16) {
	secrets := map[string][]byte{
		"the caller's number": []byte(demoCaller[1:]), "the caller's name": []byte(demoDisplay),
		"the tracking number": []byte(demoNumber[1:]), "sound": siptest.PCMU.Encode(nil, said[8000:8080]),
	}
	files, found := 0, ""
	err := filepath.WalkDir(d.config.Node.DataDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file of a room that has gone on
		}
		files++
		for what, secret := range secrets {
			if bytes.Contains(b, secret) {
				found = what + " in " + path
			}
		}
		return err
	})
	switch {
	case err != nil:
		r.check("nothing on the disk is readable", false, "%v", err)
	case found != "":
		r.check("nothing on the disk is readable", false, "found %s", found)
	default:
		r.check("nothing on the disk is readable", files > 0, "%d files hold no number, name or sound in the clear", files)
	}
}

// readStereo reads a 16-bit two-channel WAV file of ours.
func readStereo(name string) (left, right []int16, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	at := bytes.Index(b, []byte("data"))
	if !bytes.HasPrefix(b, []byte("RIFF")) || at < 0 || len(b) < at+8 {
		return nil, nil, fmt.Errorf("%s is not a WAV file", name)
	}
	for b = b[at+8:]; len(b) >= 4; b = b[4:] {
		left = append(left, int16(binary.LittleEndian.Uint16(b)))
		right = append(right, int16(binary.LittleEndian.Uint16(b[2:])))
	}
	return left, right, nil
}
