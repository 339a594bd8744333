package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func (b *builder) addFlows(all map[string]Flow) {
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if msg := checkID(id); msg != "" {
			b.fault("has a key that "+msg, "flows")
			b.flows[id] = nil
			continue
		}
		b.flows[id] = &flow{id: id} // redirections lead here before it is compiled
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if b.flows[id] != nil {
			b.flow(id, all[id], "flows."+id)
		}
	}
	b.checkFlows()
}

// flow compiles a flow. A policy of recording that it begins with holds from the
// beginning of a call.
func (b *builder) flow(id string, steps Flow, path string) {
	f := b.flows[id]
	b.choosing = choosing{flow: id}
	first, faults := 0, len(b.faults)
	if len(steps) > 0 && steps[0].kind() == "recording" {
		first, f.recording = 1, *steps[0].Recording
		b.policy(f.recording, path+"[0].recording")
	}
	f.steps = b.blockFrom(first, steps, path)
	if len(b.faults) == faults && !f.steps.has("dial", "voicemail", "redirect", "hook", "reject", "hangup") {
		b.fault("has no dial step, so a call of it reaches nobody", "%s", path)
	}
}

// block compiles a list of steps below a flow.
func (b *builder) block(steps Flow, path string) *block { return b.blockFrom(0, steps, path) }

func (b *builder) blockFrom(first int, steps Flow, path string) *block {
	out := &block{}
	for i, s := range steps[first:] {
		at, kind := fmt.Sprintf("%s[%d]", path, first+i), s.kind()
		if kind == "" {
			b.fault("is not exactly one of: "+strings.Join(stepKinds, ", "), "%s", at)
			continue
		}
		at += "." + kind
		if n := b.step(s, at, out.last()); n != nil {
			out.steps = append(out.steps, stage{n, at, kind})
		}
	}
	return out
}

// step compiles a step that is exactly one kind and stands behind another; nil:
// there is nothing to do when the walk comes to it, or it is faulty.
func (b *builder) step(s Step, path string, behind node) node {
	switch {
	case s.Schedule != nil:
		return b.schedule(*s.Schedule, path)
	case s.Geo != nil:
		return b.geo(*s.Geo, path)
	case s.Match != nil:
		return b.match(*s.Match, path)
	case s.Recording != nil:
		return b.recordingStep(*s.Recording, path)
	case s.Dial != nil:
		return b.dial(*s.Dial, path)
	case s.Greeting != nil:
		return b.greeting(*s.Greeting, path)
	case s.Menu != nil:
		return b.menu(*s.Menu, path)
	case s.Hook != nil:
		return b.hook(*s.Hook, path)
	case s.Whisper != nil:
		return b.whisper(*s.Whisper, path)
	case s.Screen != nil:
		return b.screen(*s.Screen, path)
	case s.Survey != nil:
		return b.survey(*s.Survey, path, behind)
	case s.Voicemail != nil:
		return b.voicemail(*s.Voicemail, path)
	case s.Redirect != nil:
		return b.redirected(*s.Redirect, path)
	case s.Tag != nil:
		return b.tag(s.Tag, path)
	case s.Consent != nil:
		return b.consent(*s.Consent, path)
	case s.Record != nil:
		return b.record(*s.Record, path)
	case s.Reject != nil:
		return b.reject(*s.Reject, path)
	case s.Hangup != nil:
		return b.hangup(*s.Hangup, path)
	}
	return nil
}

// ring is the ring time that was said, else the one given.
func (b *builder) ring(d Duration, otherwise time.Duration, path string) time.Duration {
	if d.IsZero() {
		return otherwise
	}
	exact, ok := d.Exact()
	if !ok || exact < minRing || exact > maxRing {
		b.fault("is not a ring time: PT1S to PT10M", "%s.timeout", path)
		return otherwise
	}
	return exact
}

// direct is a destination by its URI.
func (b *builder) direct(spec Destination, ring time.Duration, path string) target {
	u, msg := parseURI(spec.URI)
	b.fault(msg, "%s.uri", path)
	manner := ""
	if spec.Trunk != "" {
		b.refer("trunk", spec.Trunk, path+".trunk", b.hasTrunk, b.trunkIDs)
		manner = ", in the manner of trunk " + spec.Trunk
	}
	redirect, rtp := b.redirect(spec.Redirect, path), b.media(spec.MediaRule, spec.MediaSources, path)
	if t := b.table.trunks[spec.Trunk]; t != nil {
		if spec.Redirect.Follow == 0 {
			redirect = t.redirect
			redirect.Names, redirect.Nets = slices.Clone(redirect.Names), slices.Clone(redirect.Nets)
		}
		rtp.SRTP, rtp.Speech, rtp.DTMF = t.media.clone().SRTP, t.media.clone().Speech, t.media.clone().DTMF
		rtp.DSCP, rtp.Address = t.media.DSCP, t.media.Address
		rtp.WebRTC = t.media.WebRTC
		rtp.Silence = t.media.Silence
		if spec.MediaRule == "" {
			rtp.Latch = t.media.Latch
		}
		if len(spec.MediaSources) == 0 {
			rtp.Sources = slices.Clone(t.media.Sources)
		}
	}
	if keysInTheOpen(rtp.SRTP, u) && msg == "" {
		b.fault(fmt.Sprintf("does not promise TLS, and srtp.mode of trunk %s is %s: %s", spec.Trunk, SRTPRequire, openWays), "%s.uri", path)
	}
	redirect.own(u)
	return target{
		Target{URI: spec.URI, Trunk: spec.Trunk, Timeout: ring, Media: rtp, Redirect: redirect},
		fmt.Sprintf("straight to %s%s, rings %s%s", u.place(), manner, ring, redirect.words()),
	}
}

// through is a number by a trunk.
func (b *builder) through(spec Destination, ring time.Duration, path string) []target {
	n, msg := checkE164(spec.Number)
	b.fault(msg, "%s.number", path)
	b.refer("trunk", spec.Trunk, path+".trunk", b.hasTrunk, b.trunkIDs)
	if spec.MediaRule != "" || len(spec.MediaSources) > 0 {
		b.fault("has media rules; those of its trunk hold", "%s", path)
	}
	if spec.Redirect.Follow != 0 || len(spec.Redirect.Hosts) > 0 {
		b.fault("is the trunk's to say", "%s.redirect", path)
	}
	t := b.table.trunks[spec.Trunk]
	if t == nil {
		return nil
	}
	if len(t.targets) == 0 {
		b.fault(fmt.Sprintf("trunk %q has no targets to send calls to", t.id), "%s.trunk", path)
	}
	return []target{{
		t.through(n, ring),
		fmt.Sprintf("%s by trunk %s at %s%s, rings %s%s", n, t.id, t.order(), t.spec.NumberFormat.words(), ring, t.redirect.words()),
	}}
}

// CallsIn reports whether anything tells calls of this trunk from a stranger's.
func (t Trunk) CallsIn() bool {
	return len(t.Sources) > 0 || len(t.TLS.Names) > 0 || len(t.Auth.Users) > 0 || t.Register.Registrar != ""
}

// warn tells what is allowed but probably not meant.
func (b *builder) warn(s Spec) (out []Fault) {
	say := func(msg, path string, args ...any) {
		out = append(out, Fault{fmt.Sprintf(path, args...), msg})
	}
	if len(s.Trunks) == 0 {
		say("is empty: nobody can call in", "trunks")
	}
	b.warnOfDials(s, say)
	if b.table.Len() == 0 {
		say("is empty: there is no number to call", "numbers")
	}
	for i, t := range s.Trunks {
		if !t.CallsIn() && !b.isUsed("trunk", t.ID) {
			say("nobody can call in through this trunk and nothing goes out through it", "trunks[%d]", i)
		}
		if t.MediaRule == MediaLatch && len(t.MediaSources) == 0 {
			say("latch without media_sources learns the source of RTP from anywhere", "trunks[%d].media_rule", i)
		}
		for j, src := range t.Sources {
			if p, _ := checkPrefix(src); p.Bits() == 0 {
				say("lets the whole internet call in", "trunks[%d].sources[%d]", i, j)
			}
		}
	}
	for i, a := range s.Accounts {
		if !b.isUsed("account", a.ID) {
			say("no number belongs to this account", "accounts[%d]", i)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Flows)) {
		if !b.isUsed("flow", id) {
			say("no number starts this flow", "flows.%s", id)
		}
	}
	b.warnOfEnds(say)
	b.warnOfCodes(s, say)
	return out
}
