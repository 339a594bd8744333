package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"ringdown/api"
	"ringdown/recorder"
)

func runRecordingsShow(ctx context.Context, args []string, s stdio) int {
	o := newOptions("recordings show", s)
	asJSON, shelf := o.forPrograms(), o.shelf()
	return o.run(args, []string{"ID"}, func(named []string) error {
		if !api.IsRecordingID(named[0]) {
			return errRecordingID
		}
		books, leave, err := shelf()
		if err != nil {
			return err
		}
		defer leave()
		b, err := books.Manifest(ctx, named[0])
		if err != nil {
			return err
		}
		var parts []recorder.Manifest
		if err := json.Unmarshal(b, &parts); err != nil || len(parts) == 0 {
			return fmt.Errorf("the manifest of %s cannot be read: %w", named[0], err)
		}
		if *asJSON {
			return writeJSON(s.out, parts)
		}
		return writeManifest(s.out, parts)
	})
}

// writeManifest tells what a recording is; the last part knows how it ended.
func writeManifest(w io.Writer, parts []recorder.Manifest) error {
	var b strings.Builder
	m := parts[len(parts)-1]
	line(&b, "Recording", "%s of %s, account %s", m.Recording, m.Call, m.Account)
	line(&b, "Started", "%s on node %s, %s, %s", time.Time(m.StartedAt).UTC().Format("2006-01-02 15:04:05.000Z"), m.Node, m.Mode, m.Channels)
	how := "closed properly" // with the call, or when somebody else took a party's place
	if m.Completion == recorder.Recovered {
		how = "recovered after the node stopped"
	}
	if m.Segment > 1 {
		line(&b, "Segment", "%d of its call, after a transfer; the one before is %s", m.Segment, cmp.Or(m.Previous, "not recorded"))
	}
	line(&b, "Length", "%s, %s", span(m.DurationMS), how)
	var caller, callee recorder.Track
	var paused int64
	pauses := 0
	for _, p := range parts {
		caller, callee = joined(caller, p.Caller), joined(callee, p.Callee)
		paused, pauses = paused+p.PausedMS, pauses+len(p.Pauses)
	}
	line(&b, "Caller", "%s", trackWords(caller))
	line(&b, "Callee", "%s", trackWords(callee))
	if pauses > 0 {
		line(&b, "Paused", "%s, %s in all", times(pauses), span(paused))
	}
	for _, p := range parts {
		line(&b, fmt.Sprintf("Part %d", p.Part), "%s, %s in %s, key %s", p.Result, size(p.Size), count(int(p.Segments), "sealed segment"), p.KeyRef)
		line(&b, "", "hash tree %s", p.Root)
		line(&b, "", "SHA-256   %s", p.SHA256)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// joined adds a part's track to those before it.
func joined(t, next recorder.Track) recorder.Track {
	next.Packets += t.Packets
	next.Bytes += t.Bytes
	next.Dropped += t.Dropped
	next.Ignored += t.Ignored
	next.Digits += t.Digits
	for _, c := range t.Codecs {
		if !slices.Contains(next.Codecs, c) {
			next.Codecs = append(next.Codecs, c)
		}
	}
	return next
}

// trackWords tells what was kept of one side, and why something was not.
func trackWords(t recorder.Track) string {
	text := count(int(t.Packets), "packet")
	if t.Leg != "" {
		text = t.Leg + ", " + text
	}
	if len(t.Codecs) > 0 {
		text += " of " + strings.Join(t.Codecs, ", ")
	}
	for _, n := range []struct {
		n    uint64
		what string
	}{{t.Dropped, "lost to the recorder"}, {t.Digits, "left out as digits"}, {t.Ignored, "of no described kind"}} {
		if n.n > 0 {
			text += fmt.Sprintf(", %d %s", n.n, n.what)
		}
	}
	return text
}
