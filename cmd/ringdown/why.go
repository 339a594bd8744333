package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"ringdown/api"
	"ringdown/events"
	"ringdown/routing"
)

func runWhy(ctx context.Context, args []string, s stdio) int {
	o := newOptions("why", s)
	asJSON, reach := o.forPrograms(), o.reach()
	return o.run(args, []string{"CALL_ID"}, func(named []string) error {
		id := named[0]
		if !api.IsCallID(id) {
			return errCallID
		}
		c, err := reach()
		if err != nil {
			return err
		}
		var told story
		err = c.events(ctx, "/v1/calls/"+id+"/events", url.Values{}, told.add)
		if errors.Is(err, api.ErrNotFound) {
			return fmt.Errorf("the node at %s has no event of %s: it never had this call, or its events have expired", c.base.Host, id)
		}
		if err != nil {
			return err
		}
		told.Outcome = told.outcome()
		if *asJSON {
			return writeJSON(s.out, &told)
		}
		_, err = io.WriteString(s.out, told.text())
		return err
	})
}

// text tells the story to a person: one sentence, then what it rests on.
func (s *story) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", s.Call, clean(s.outcome()))
	s.who(&b)
	s.times(&b)
	s.decision(&b)
	s.screening(&b)
	s.steps(&b)
	s.attempts(&b)
	s.transfers(&b)
	s.recordings(&b)
	s.holds(&b)
	s.media(&b)
	s.heard(&b)
	s.reservations(&b)
	return b.String()
}

// line writes one line of the explanation, its name in a column of its own.
func line(b *strings.Builder, name, format string, args ...any) {
	fmt.Fprintf(b, "%-10s %s\n", name, clean(fmt.Sprintf(format, args...)))
}

func (s *story) who(b *strings.Builder) {
	b.WriteByte('\n')
	d := s.Received
	if d == nil {
		line(b, "Account", "%s", s.Account)
		return
	}
	through := "through no trunk"
	if d.Trunk != "" {
		through = "through trunk " + d.Trunk
	}
	line(b, "Caller", "%s, %s, over %s", d.Caller.Masked, through, d.Transport)
	called := "a number that is not ours"
	if d.Trunk == "" {
		called = "not looked at: the source belongs to no trunk"
	}
	if d.TrackingNumber != "" {
		called = d.TrackingNumber + " of account " + s.Account
		if d.Agency != "" {
			called += ", agency " + d.Agency
		}
	}
	line(b, "Called", "%s", called)
	if v := d.Diverted; v != nil {
		line(b, "Sent on", "%s before it came here, the last time for: %s", times(v.Count), strings.ReplaceAll(v.Reason, "-", " "))
	}
	if v := d.Attestation; v != nil {
		line(b, "Attested", "%s", attestationWords(*v))
	}
	if len(d.Attribution) > 0 {
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(d.Attribution)) {
			parts = append(parts, k+" "+d.Attribution[k])
		}
		line(b, "Came by", "%s", strings.Join(parts, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(d.Attributes)) {
		line(b, "Brought", "%s: %s", name, d.Attributes[name])
	}
}

func (s *story) times(b *strings.Builder) {
	line(b, "Received", "%s", s.first.UTC().Format("2006-01-02 15:04:05.000Z"))
	d := s.Ended
	if d == nil {
		return
	}
	if d.FirstRingAt != nil || d.AnsweredAt != nil {
		line(b, "Set up", "in %s, rang %s", span(d.SetupMS), span(d.RingMS))
	}
	if d.AttendedAt != nil {
		line(b, "Attended", "%s by Ringdown itself, outside of a talk; %s billable in all", span(d.AttendedMS), span(d.BillableMS))
	}
	switch {
	case d.AnsweredAt != nil && d.AttendedAt != nil:
		line(b, "Talked", "%s", span(d.TalkMS))
	case d.AnsweredAt != nil:
		line(b, "Talked", "%s, %s of it billable", span(d.TalkMS), span(d.BillableMS))
	}
	if until := d.BilledUntil; until != nil {
		line(b, "Billed", "until %s, the last sign of life", time.Time(*until).UTC().Format("15:04:05.000Z"))
	}
	if s.Rejected == nil { // else the decision says it
		line(b, "Ended", "after %s: %s", span(d.DurationMS), causeWords(&d.Cause))
	}
}

func (s *story) decision(b *strings.Builder) {
	var trace []events.Look
	switch {
	case s.Routed != nil:
		d := s.Routed
		trace = d.Trace
		b.WriteByte('\n')
		begins := ""
		if d.Targets > 0 { // else another step comes first
			begins = ", " + count(d.Targets, "destination") + ", " + d.Strategy
		}
		line(b, "Decision", "flow %s%s; recording %s (%s); table %s", d.Flow, begins, d.RecordingMode, decidedBy(d.RecordingFrom), d.ConfigVersion)
	case s.Rejected != nil:
		d := s.Rejected
		trace = d.Trace
		b.WriteByte('\n')
		line(b, "Decision", "%s", rejection(d))
	}
	for _, l := range trace {
		fmt.Fprintf(b, "  %-9s %-8s %s\n", clean(l.What), clean(l.Result), clean(l.Text))
	}
	if s.Routed != nil && s.Rejected != nil {
		line(b, "Then", "%s", rejection(s.Rejected))
	}
}

// rejection says why a call was refused and what the caller's side was told.
func rejection(d *events.CallRejectedData) string {
	if d.RejectReason == string(routing.NoTrunkMatch) {
		return "rejected (no-trunk-match): a source nobody knows gets no answer"
	}
	return "rejected (" + d.RejectReason + "): " + causeWords(&d.Cause)
}

func decidedBy(level string) string {
	if level == "" || level == "default" {
		return "by default"
	}
	return "says the " + level
}

func (s *story) attempts(b *strings.Builder) {
	if len(s.Attempts) == 0 {
		return
	}
	b.WriteString("\nAttempts\n")
	for i, l := range s.Attempts {
		fmt.Fprintf(b, "  %-2d after %-8s %s\n", i+1, span(l.DialledMS), clean(l.words()))
	}
}

// words tells one attempt.
func (l *attempt) words() string {
	var parts []string
	if l.Trunk != "" {
		parts = append(parts, "by trunk "+l.Trunk)
	}
	if l.Led != "" {
		parts = append(parts, "where an attempt before was redirected")
	}
	if l.RangMS != nil {
		parts = append(parts, "rang after "+span(*l.RangMS))
	}
	if l.AnswerMS != nil {
		parts = append(parts, "answered after "+span(*l.AnswerMS))
	}
	parts = append(parts, l.vetted()...)
	switch l.Result {
	case "failed":
		verb := "refused"
		if l.Cause != nil && l.Cause.Source != "remote" {
			verb = "given up" // nobody there has said anything
		}
		parts = append(parts, verb+" after "+span(*l.OverMS)+": "+causeWords(l.Cause))
		switch l.Redirect {
		case "followed":
			parts = append(parts, "the redirection was followed")
		case "refused":
			parts = append(parts, "the redirection was not followed: it leads where the configuration allows none, or in a circle")
		}
		if l.Reason != "" {
			parts = append(parts, notTried(l.Reason, l.Limit))
		}
	case "canceled":
		parts = append(parts, "given up after "+span(*l.OverMS)+": "+causeWords(l.Cause))
		if l.Reason != "" {
			parts = append(parts, notTried(l.Reason, l.Limit))
		}
	case "ended":
		end := "ended after " + span(*l.OverMS)
		if !l.Winner {
			end += ", never connected to the caller: " + causeWords(l.Cause)
		}
		parts = append(parts, end)
	case "open":
		parts = append(parts, "no answer of any kind yet")
	}
	return strings.Join(parts, ", ")
}

func (s *story) recordings(b *strings.Builder) {
	b.WriteByte('\n')
	if len(s.Recordings) == 0 {
		line(b, "Recording", "%s", s.unrecorded())
	}
	for _, r := range s.Recordings {
		line(b, "Recording", "%s", r.words(s.followed(r.ID)))
		for _, why := range r.Degraded {
			line(b, "", "degraded: %s", because(why))
		}
	}
}

// unrecorded says why there is no recording.
func (s *story) unrecorded() string {
	d := s.Routed
	switch {
	case s.Blocked != nil:
		return blockedWords(s.Blocked)
	case d == nil:
		return "none: the call was not routed"
	case d.RecordingMode == "do-not-record":
		return "none: do-not-record, " + decidedBy(d.RecordingFrom)
	case d.RecordingMode == "on-demand":
		return "none: on-demand, and nobody asked for it"
	case s.Ended != nil && s.Ended.AnsweredAt == nil:
		return "none: " + d.RecordingMode + ", and nobody answered"
	case s.Ended == nil:
		return "none yet: " + d.RecordingMode
	}
	return "none, although it should have been: " + d.RecordingMode + ", " + decidedBy(d.RecordingFrom)
}

// followed reports whether another recording says that it begins where this one ends.
func (s *story) followed(id string) bool {
	return slices.ContainsFunc(s.Recordings, func(r *recordingStory) bool {
		return r.Started != nil && r.Started.Previous == id && id != ""
	})
}

// pausers tells who paused it, where that is known, and which pauses nobody ended.
func (r *recordingStory) pausers() (text string) {
	var who []string
	for _, side := range []string{"caller", "callee"} {
		if slices.Contains(r.PausedBy, side) {
			who = append(who, side)
		}
	}
	if len(who) > 0 {
		text = " by the " + strings.Join(who, " and the ")
	}
	if r.Overdue > 0 {
		text += ", resumed " + times(r.Overdue) + " because the time was up"
	}
	return text
}

// words tells one recording; followed: of a part of the call that a transfer ended.
func (r *recordingStory) words(followed bool) string {
	text := r.ID
	if text == "" {
		text = "not opened"
	}
	if r.Started != nil {
		text += ", " + r.Started.Mode + ", " + r.Started.Channels
		if r.Started.Segment > 1 {
			text += fmt.Sprintf(", segment %d", r.Started.Segment)
		}
	}
	if r.Pauses > 0 {
		text += ", paused " + times(r.Pauses) + r.pausers()
	}
	switch {
	case r.FailedWith != "":
		return text + ": failed, " + because(r.FailedWith)
	case r.Completed == nil:
		return text + ": not finished yet"
	}
	d := r.Completed
	how := "closed with the call"
	switch {
	case d.Completion == "recovered":
		how = "recovered after the node stopped"
	case followed:
		how = "closed with the transfer"
	}
	return fmt.Sprintf("%s: %s, %s kept of what was heard, %s long, %s sealed, %s", text, d.Result, share(d.Completeness), span(d.DurationMS), size(d.Bytes), how)
}

func (s *story) media(b *strings.Builder) {
	for _, m := range s.Media {
		line(b, "Audio", "of the %s first came after %s", m.Side, span(m.AfterMS))
	}
	s.keys(b)
	for _, p := range s.Played {
		line(b, "Played", "%s", playedWords(p))
	}
	if s.Ended == nil || s.Ended.Media == nil {
		return
	}
	for _, side := range []struct {
		name string
		flow events.MediaFlow
	}{{"caller", s.Ended.Media.Caller}, {"callee", s.Ended.Media.Callee}} {
		text := fmt.Sprintf("%s from the %s", count(int(side.flow.Packets), "packet"), side.name)
		for _, why := range slices.Sorted(maps.Keys(side.flow.Drops)) {
			text += fmt.Sprintf(", %d dropped, %s", side.flow.Drops[why], droppedFor(why))
		}
		line(b, "Audio", "%s", text)
	}
}

// reservations says how far the story can be trusted.
func (s *story) reservations(b *strings.Builder) {
	if s.Late {
		line(b, "Note", "the disk was slow: the answer was passed on before it was safely written")
	}
	if n := len(s.Missing); n > 0 {
		line(b, "Note", "%s missing, the first is %d: this may not be the whole story", plural(n, "event of this call is", "events of this call are"), s.Missing[0])
	}
	if len(s.Unread) > 0 {
		line(b, "Note", "this program does not know %s and passed over them", strings.Join(s.Unread, ", "))
	}
}

func count(n int, noun string) string { return plural(n, noun, noun+"s") }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}
