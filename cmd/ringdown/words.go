package main

import (
	"fmt"
	"strings"

	"ringdown/call"
	"ringdown/events"
)

// endedBy says in words who ended a call that was in progress.
func endedBy(by string) string {
	words := map[string]string{
		"caller":        "the caller hung up",
		"callee":        "the answering side hung up",
		"api":           "it was ended through the API",
		"operator":      "an operator ended it",
		"flow":          "Ringdown ended it, as its flow says",
		"limit":         "a limit of the node ended it",
		"media-timeout": "no audio came any more",
		"session-timer": "one side stopped answering (session timer)",
		"no-ack":        "the caller's side never confirmed the answer (no ACK)",
		"node-loss":     "the node was lost during the call",
		"fraud-guard":   "the fraud guard ended it",
	}
	if w, ok := words[by]; ok {
		return w
	}
	return "ended by " + by
}

// limited says whose limit ended a call, in the place of [endedBy]'s words where
// that is told.
func limited(d *events.CallEndedData) string {
	if d.EndedBy == string(call.ByLimit) && d.Limit != "" {
		return "the limit of the " + d.Limit + " ended it"
	}
	return endedBy(d.EndedBy)
}

// notTried says in words why an attempt was not made, or not gone on with.
func notTried(reason, limit string) string {
	if reason == "fraud-guard" {
		return "the fraud guard does not let it be dialled"
	}
	if limit == "" {
		return strings.ReplaceAll(reason, "-", " ")
	}
	words := map[string]string{
		"concurrency-limit": "it takes no more calls at once",
		"cps-limit":         "it takes no more calls a second",
		"ring-limit":        "a call may be rung for no longer",
		"pre-answer-limit":  "a call may wait for an answer no longer",
	}
	w, ok := words[reason]
	if !ok {
		w = strings.ReplaceAll(reason, "-", " ")
	}
	return w + ", says the limit of the " + limit
}

// rejectedFor says in words why a call was not taken.
func rejectedFor(reason, limit string) string {
	words := map[string]string{
		"no-trunk-match":       "it came from an address that belongs to no trunk",
		"acl-denied":           "the number may not be called through the trunk it came by",
		"auth-failed":          "the caller's side could not prove who it is",
		"number-unassigned":    "the called number is not assigned to an account",
		"number-suspended":     "the called number is suspended",
		"number-ported-out":    "the called number is with another carrier now",
		"number-quarantined":   "the called number rests between two owners",
		"blocked-caller":       "the caller is on the block list",
		"anonymous-refused":    "the caller withheld his number, and the account takes no such calls",
		"attestation-too-low":  "the caller's number was not attested well enough",
		"repeat-rate":          "the caller called more often than he may",
		"reputation":           "whom the account asks about callers refused this one, or gave no answer",
		"challenge-failed":     "the caller did not press the key he was asked for",
		"no-route":             "the flow has nobody to ring",
		"policy-error":         "the decision could not be made",
		"overload":             "the node was draining or could take no more",
		"concurrency-limit":    "as many calls as the limit allows were live already",
		"cps-limit":            "more calls came in that second than the limit allows",
		"recording-impossible": "it must be recorded, and could not be",
	}
	w, ok := words[reason]
	switch {
	case !ok:
		return reason
	case limit != "":
		return strings.Replace(w, "the limit", "the limit of the "+limit, 1)
	}
	return w
}

// because turns a reason of a recording into words.
func because(reason string) string {
	words := map[string]string{
		"":                  "for a reason not told",
		"disk-full":         "the disk was full",
		"disk-fault":        "the disk failed",
		"no-key":            "no key could be made for it",
		"nothing-kept":      "nothing was heard that could be kept",
		"discarded":         "it was too short to be a message, and was thrown away",
		"left-for-recovery": "its file could not be closed; the next start does that",
		"resumed":           "the disk failed, and it went on in another part",
	}
	if w, ok := words[reason]; ok {
		return w
	}
	return strings.ReplaceAll(reason, "-", " ")
}

// droppedFor says in words why a relay did not forward a packet.
func droppedFor(reason string) string {
	words := map[string]string{
		"source":     "before its address was known or from one that may not send",
		"malformed":  "neither RTP nor RTCP",
		"no-peer":    "before the other side had an address",
		"rate":       "more than any codec sends",
		"send":       "refused by the network",
		"direction":  "while that side was on hold",
		"quarantine": "after the call",
		"digit":      "a key that the other party was not to get",
		"fax":        "no T.38",
		"replaced":   "while a sound was played in their place",
		"auth":       "not authentic SRTP",
		"replay":     "repeated SRTP",
		"stun":       "a STUN message not meant for us",
		"apart":      "said while the two were kept apart",
		"muted":      "said while the party was muted",
	}
	if w, ok := words[reason]; ok {
		return w
	}
	return strings.ReplaceAll(reason, "-", " ")
}

// causeWords says why a leg ended and who said so: `486 Busy Here, Q.850 17 user
// busy, told by the far side`.
func causeWords(c *events.Cause) string {
	if c == nil {
		return "cause not told"
	}
	var parts []string
	if c.SIPStatus >= 300 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%d %s", c.SIPStatus, call.Phrase(c.SIPStatus))))
	}
	if c.SIPReason != "" && !strings.EqualFold(c.SIPReason, call.Phrase(c.SIPStatus)) {
		parts = append(parts, c.SIPReason)
	}
	if c.Q850 != 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("Q.850 %d %s", c.Q850, c.Q850Text)))
	}
	if c.Source == "remote" {
		parts = append(parts, "told by the far side")
	} else {
		parts = append(parts, "decided here")
	}
	return strings.Join(parts, ", ")
}

// outcome is the whole call in one sentence.
func (s *story) outcome() string {
	d := s.Ended
	if d == nil {
		if s.Rejected != nil {
			return "rejected: " + rejectedFor(s.Rejected.RejectReason, s.limit()) + "."
		}
		return "no end is told yet; it is " + s.Status + "."
	}
	var text string
	switch d.Status {
	case "completed":
		how := limited(d)
		if d.AttendedAt != nil && d.BridgedAt == nil {
			text = "completed without a talk: " + how + " after " + span(d.AttendedMS) + " with Ringdown itself"
			break
		}
		if t := s.Transfers; len(t) > 0 && t[len(t)-1].Result == "given" {
			how = "the " + t[len(t)-1].Side + " put the other side through to another call"
		}
		text = "completed: " + how + " after " + span(d.TalkMS) + " of talk"
		if d.BilledUntil != nil {
			text += "; the talk is counted to " + whose(d.EndedBy) + " last sign of life"
		}
	case "busy":
		text = "busy: the destination was busy or declined"
	case "no-answer":
		text = "not answered: nobody picked up"
		if d.Limit != "" {
			text += " before the limit of the " + d.Limit + " ended it"
		}
	case "abandoned":
		text = "abandoned: the caller gave up after " + span(d.DurationMS) + ", before anybody answered"
		if d.AttendedAt != nil {
			text += " but Ringdown itself"
		}
	case "canceled":
		if d.Cause.Q850 == 26 {
			text = "answered elsewhere: another place of the caller's side took the call"
			break
		}
		text = "ended before it was answered: " + endedBy(d.EndedBy)
	case "rejected":
		text = "rejected: " + rejectedFor(d.RejectReason, s.limit())
	case "failed":
		text = "failed: " + causeWords(&d.Cause)
		if d.EndedBy == "no-ack" || d.EndedBy == "node-loss" || d.EndedBy == "media-timeout" {
			text = "failed: " + endedBy(d.EndedBy)
		}
	default:
		text = d.Status + ": " + endedBy(d.EndedBy)
	}
	if d.Estimated {
		text += "; the times are estimated, from the last sign of life before the node stopped"
	}
	return text + "."
}

// limit is whose limit refused the call, empty when none did.
func (s *story) limit() string {
	if s.Rejected == nil {
		return ""
	}
	return s.Rejected.Limit
}

// attestationWords says how far the caller's number is vouched for.
func attestationWords(a events.Attestation) string {
	switch a.Attest {
	case "A":
		return "the caller's provider knows him and says that the number is his (A)"
	case "B":
		return "the caller's provider knows him, not whether the number is his (B)"
	case "C":
		return "a provider passed the call on and knows nothing of the caller (C)"
	}
	if a.Verstat == "TN-Validation-Failed" {
		return "what vouches for the caller's number does not hold: " + strings.ReplaceAll(a.Reason, "-", " ")
	}
	return "nobody vouches for the caller's number: " + strings.ReplaceAll(a.Reason, "-", " ")
}

// whose is whose last sign of life ended the talk, behind "counted to".
func whose(endedBy string) string {
	if endedBy == string(call.ByMedia) {
		return "the parties'"
	}
	return "that side's"
}
