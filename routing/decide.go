package routing

import (
	"slices"
	"strings"
)

// Words of Look.Result.
const (
	Matched = "matched"
	Missed  = "missed"
	Skipped = "skipped"
	Chosen  = "chosen"
	Near    = "nearest"
)

// Levels that can decide about recording, the strongest first.
const (
	FromNumber  = "number"
	FromPool    = "pool"
	FromFlow    = "flow"
	FromAccount = "account"
	FromDefault = "default"
)

// Decide answers a request. It depends on nothing but its argument and the
// table, never panics and takes microseconds. What it returns is the caller's
// own. A nil table decides policy-error.
func (t *Table) Decide(r Request) Decision {
	w := walk{table: t, request: r}
	w.d.Recording = Recording{Mode: DoNotRecord, Channels: Dual, OnFailure: ContinueUnrecorded, From: FromDefault, Consent: ConsentAlways}
	if t == nil {
		w.reject(PolicyError, "table", Missed, "there is no routing table")
		return w.d
	}
	w.d.Table, w.d.Version, w.d.Draw = t, t.version, r.Draw
	w.d.Trace = make([]Look, 0, 12)
	if w.origin() && w.attested() && w.number() && w.flow() {
		w.limit()
		w.record()
		w.begin()
	}
	return w.d
}

// walk is one decision being made.
type walk struct {
	table   *Table
	request Request
	trunk   *trunk
	caller  number
	dialled number
	called  entry
	refused Reason // an intercept answers, and then refuses for this
	d       Decision
}

func (w *walk) look(what, result, text string) {
	w.d.Trace = append(w.d.Trace, Look{what, result, text})
}

// reject notes why not and stops the walk.
func (w *walk) reject(reason Reason, what, result, text string) bool {
	w.d.Reject = reason
	w.look(what, result, text)
	return false
}

// origin finds the trunk and reads the caller by its country.
func (w *walk) origin() bool {
	id := w.request.Trunk
	if id == "" {
		return w.reject(NoTrunkMatch, "trunk", Missed, "no trunk has the source of the call")
	}
	w.trunk = w.table.trunks[id]
	if w.trunk == nil {
		return w.reject(NoTrunkMatch, "trunk", Missed, "the trunk of the source is not in this table")
	}
	w.d.MediaSources = w.trunk.media.clone()
	w.d.PassRedirect = w.trunk.spec.Redirect.Pass
	w.d.Ringback = w.trunk.spec.EarlyMedia == EarlyRingback
	country := "numbers need their +"
	if c := w.trunk.country; c != nil {
		country = "numbers as in " + c.iso
	}
	w.look("trunk", Matched, "the call came by trunk "+id+", "+country)
	caller, how := read(w.request.From, w.trunk.country)
	w.d.Class = w.table.classOf(caller, w.request)
	if caller == 0 {
		w.look("caller", Missed, how.String())
		return true
	}
	w.caller, w.d.Caller = caller, caller.private()
	w.look("caller", Matched, w.d.Caller.String()+", "+how.String())
	return true
}

// number finds the tracking number and asks whether it may be called this way.
func (w *walk) number() bool {
	w.request.To = w.trunk.spec.NumberFormat.stripped(w.request.To)
	called, how := read(w.request.To, w.trunk.country)
	r, found := w.table.numbers.at(called, w.request.At.Unix())
	if !found {
		if called != 0 && w.table.numbers.has(called) {
			return w.between(called, how)
		}
		text := "the called address is " + how.String()
		if called != 0 {
			text = called.String() + ", " + how.String() + ", is not in the table"
		}
		w.reject(NumberUnassigned, "number", Missed, text)
		w.nearest(called)
		return false
	}
	e := w.table.entry(r)
	w.called, w.dialled = e, called
	w.d.Number, w.d.Account, w.d.Agency = called.e164(), e.account.id, e.account.agency.id
	w.d.Attribution = e.attributed()
	w.d.Sounds = sounds(e.account.sound, e.sound)
	w.d.Codes = e.codes.or(e.account.codes)
	w.look("number", Matched, called.String()+", "+how.String()+e.owner())
	if len(e.trunks) > 0 && !slices.Contains(e.trunks, w.trunk.id) {
		return w.reject(ACLDenied, "number", Near,
			"the number belongs to trunk "+strings.Join(e.trunks, ", ")+", the source is in "+w.trunk.id)
	}
	if reason, text := e.state.refuses(); reason != "" {
		w.look("number", Near, text)
		if !w.intercepted(e.state, reason) {
			w.d.Reject = reason
			return false
		}
	}
	return true
}

func (w *walk) flow() bool {
	f := w.called.flow
	w.d.Flow = f.id
	if w.refused == "" {
		w.look("flow", Chosen, "the number starts flow "+f.id)
	}
	return true
}

// record asks who may say something about recording.
func (w *walk) record() {
	if w.refused != "" {
		w.look("recording", Skipped, "a call that is refused in the end is not recorded")
		return
	}
	f := w.called.flow
	w.d.Recording = recorded(w.called.voices(f, f.recording), w.look)
}

// begin walks the flow to its first instruction.
func (w *walk) begin() {
	w.d.Walk = newWalk(w.table, walkFacts{request: w.request, caller: w.caller, trunk: w.trunk, called: w.dialled, entry: w.called, refused: w.refused}, w.called.flow, w.d.Recording)
	w.d.First = w.d.Walk.Next(Began{When{w.request.At}})
	w.d.Trace = append(w.d.Trace, w.d.Walk.Looks()...)
	switch first := w.d.First.(type) {
	case Ring:
		w.d.Targets, w.d.Strategy = first.Targets, first.Strategy
	case Refuse:
		if len(first.Prompts) == 0 { // else the caller hears them first
			w.d.Reject, w.d.RejectStatus = first.Reason, first.Status
		}
	case End:
		w.reject(NoRoute, "flow", Missed, "flow "+w.called.flow.id+" has nobody to ring")
	}
}

func (m Media) clone() Media {
	m.Sources = slices.Clone(m.Sources)
	m.SRTP.Suites = slices.Clone(m.SRTP.Suites)
	m.Speech.Codecs = slices.Clone(m.Speech.Codecs)
	m.DTMF.Receive = slices.Clone(m.DTMF.Receive)
	return m
}
