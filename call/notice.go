package call

import (
	"math"
	"time"

	"ringdown/events"
	"ringdown/media"
)

// mediaTimeout is the cause of a call that ends because a party fell silent.
var mediaTimeout = Cause{Status: 408, Q850: 102, Text: "no media"}

// hears takes what the relay says of how its parties are heard.
func (m *machine) hears(s Noticed) {
	at, n := s.Time, s.Notice
	l := m.leg(m.talk.on(n.Side))
	if n.Kind == media.Expired && m.state != inProgress && m.attended() && n.Side == media.Caller {
		m.attendedSilent(s)
		return
	}
	if m.state != inProgress || l == nil {
		return // it is only judged while the call is connected
	}
	if n.Since.Before(l.joined) {
		return // it was said of who was there before, while his place was taken
	}
	switch n.Kind {
	case media.OneWay:
		m.publish(events.MediaOneWay, at, unheard(l, at, n))
	case media.Silent:
		m.publish(events.MediaSilence, at, unheard(l, at, n))
	case media.Quality:
		m.publish(events.MediaQuality, at, heardAs(l, n.Side, "live", *n.Heard))
	case media.Expired:
		m.fellSilent(s, l)
	}
}

// fellSilent ends a call whose party was silent beyond its limit; but not while its
// phone speaks in signalling: then the limit counts from its last message; nor
// before the ACK, whose own limit (64*T1) says better what went wrong. It is
// billed until the last sign of life of either side, since who hears the other
// has a call, and to its end while it is held (C13).
func (m *machine) fellSilent(s Noticed, l *leg) {
	at, n := s.Time, s.Notice
	if !m.acked {
		m.do(doSpare{n.Side, at})
		return
	}
	if said := s.Alive[n.Side-1]; said.After(n.Since) {
		m.do(doSpare{n.Side, said})
		return
	}
	m.publish(events.MediaTimeout, at, events.MediaTimeoutData{
		Leg: l.ulid, Side: n.Side.String(), Limit: string(n.Limit), Since: events.Stamp(n.Since), SilentMS: ms(n.Since, at),
	})
	m.silent = nil
	if n.Limit != media.HeldLimit || m.hold.all() == (Holds{}) {
		m.silent = &silence{both: true, alive: n.Since}
		m.silent.heard(s.Alive[n.Side.Other()-1])
	}
	m.endBoth(at, ByMedia, mediaTimeout)
}

// alive is when the legs that talk were last heard of in signalling, by side.
func (c *Call) alive() (at [2]time.Time) {
	for _, side := range []media.Side{media.Caller, media.Callee} {
		if l := c.legs[c.machine.talk.on(side)]; l != nil {
			at[side-1] = l.Alive()
		}
	}
	return at
}

func unheard(l *leg, at time.Time, n media.Notice) events.MediaUnheardData {
	d := events.MediaUnheardData{
		Leg: l.ulid, Side: n.Side.String(), State: "began", Verdict: string(n.Unheard.Verdict), Source: n.Unheard.Origin.String(),
		Since: events.Stamp(n.Since), LastedMS: ms(n.Since, at),
	}
	if n.Unheard.Over {
		d.State = "over"
	}
	return d
}

// heardInTheEnd tells how both parties of a call that was connected were heard.
func (m *machine) heardInTheEnd(at time.Time, s media.Stats) {
	if m.connectedAt().IsZero() {
		return
	}
	for _, side := range []media.Side{media.Caller, media.Callee} {
		m.heardFinally(at, m.leg(m.talk.on(side)), side, s.Of(side).Heard)
	}
}

// heardFinally tells how a leg was heard, unless nothing ever came from it.
func (m *machine) heardFinally(at time.Time, l *leg, side media.Side, h media.Heard) {
	if l != nil && (h.Packets > 0 || h.Reports) {
		m.publish(events.MediaQuality, at, heardAs(l, side, "final", h))
	}
}

// heardAs is how a leg was heard, as events show it.
func heardAs(l *leg, side media.Side, state string, h media.Heard) events.MediaQualityData {
	d := events.MediaQualityData{
		Leg: l.ulid, Side: side.String(), State: state, Codec: h.Codec, Packets: h.Packets, Expected: h.Expected, Lost: h.Lost,
		LossPercent: percent(h.LossPart()), Late: h.Late, Duplicate: h.Duplicate, Reordered: h.Reordered,
		JitterMS: milli(h.Jitter), RTTMS: milli(h.RoundTrip), BurstDensity: percent(h.BurstDensity), GapDensity: percent(h.GapDensity),
	}
	if h.Rated {
		d.Class, d.R, d.MOSLQ, d.MOSCQ = h.Class, round(h.R, 10), round(h.ListeningMOS, 100), round(h.TalkingMOS, 100)
	}
	if h.Reports {
		d.Reported = &events.MediaReported{
			LossPercent: percent(h.ReportedLoss), JitterMS: milli(h.ReportedJitter),
			R: h.ReportedR, MOSLQ: h.ReportedListening, MOSCQ: h.ReportedTalking,
		}
	}
	return d
}

// Figures are told as exactly as they are known.
func round(x, by float64) float64   { return math.Round(x*by) / by }
func percent(part float64) float64  { return round(100*part, 100) }
func milli(d time.Duration) float64 { return round(float64(d)/float64(time.Millisecond), 10) }
