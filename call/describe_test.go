package call

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"ringdown/events"
)

// describe writes an action as a transcript has it.
func describe(a action) string {
	switch a := a.(type) {
	case doVerify:
		return "verify"
	case doRoute:
		return "route"
	case doOffer:
		return "relay offer"
	case doDial:
		return fmt.Sprintf("dial %s target %d", a.leg, a.target)
	case doProgress:
		return fmt.Sprintf("progress a %d", a.status)
	case doEarly:
		return fmt.Sprintf("early a %d %q", a.status, a.body)
	case doAgree:
		if a.offer {
			return fmt.Sprintf("relay join %s %q target %d", a.leg, a.body, a.target)
		}
		return fmt.Sprintf("relay answer %q target %d", a.body, a.target)
	case doApart:
		return fmt.Sprintf("apart %t", a.on)
	case doReceive:
		return strings.TrimRight(fmt.Sprintf("receive %s %q %s", a.leg, a.body, map[bool]string{true: "by his offer"}[a.offer]), " ")
	case doFetch:
		return fmt.Sprintf("fetch %s", a.leg)
	case doSeat:
		return fmt.Sprintf("seat %s %q", a.leg, a.body)
	case doCloseRoom:
		return fmt.Sprintf("close room of %s", a.leg)
	case doRecord:
		if a.segment > 1 {
			return fmt.Sprintf("record segment %d of %s and %s", a.segment, a.caller, a.callee)
		}
		return "record"
	case doAttend:
		return "make our own answer for a"
	case doGreet:
		return fmt.Sprintf("answer a by ourselves %q", a.body)
	case doWatch:
		return fmt.Sprintf("watch the %s", a.side)
	case doAsk:
		return fmt.Sprintf("ask hook %d of %s within %s", a.number, a.step, a.deadline)
	case doWant:
		return strings.TrimRight(fmt.Sprintf("want %s of %s", a.kind, a.key), " ")
	case doStick:
		return fmt.Sprintf("remember %s at %s", a.identity, a.key)
	case doDictate:
		return fmt.Sprintf("open message %d for %s", a.number, a.mailbox)
	case doListen:
		return fmt.Sprintf("take message %d", a.number)
	case doCloseLetter:
		if a.left == nil {
			return fmt.Sprintf("throw message %d away", a.number)
		}
		return fmt.Sprintf("close message %d at %d: %d ms in mailbox %s, ended by %s", a.number, a.ended.Sub(zero).Milliseconds(), a.left.DurationMS, a.left.Mailbox, a.left.EndedBy)
	case doDirect:
		return fmt.Sprintf("direct %s of trunk %q", a.referral.User, a.referral.Trunk)
	case doRefer:
		return fmt.Sprintf("refer %s %d: %d", a.leg, a.id, a.status)
	case doInvite:
		return strings.TrimRight(fmt.Sprintf("invite %s target %d as %s %s", a.leg, a.target, a.side, a.replaces), " ")
	case doWelcome:
		return fmt.Sprintf("welcome %s", a.leg)
	case doPropose:
		return fmt.Sprintf("propose %s as %s, told %q", a.leg, a.side, a.told)
	case doMove:
		if a.offer {
			return fmt.Sprintf("move %s to %s by offer %q", a.side, a.leg, a.body)
		}
		return fmt.Sprintf("move %s to %s by %q", a.side, a.leg, a.body)
	case doReplyOrder:
		if a.err != nil {
			return "order refused: " + a.err.Error()
		}
		return "order taken"
	case doTransferTo:
		return "direct to " + a.to.URI
	case doClaimParty:
		return fmt.Sprintf("claim the %s of %s", a.party, a.call)
	case doMute:
		return fmt.Sprintf("mute the %s %t", a.side, a.on)
	case doReply:
		return fmt.Sprintf("reply %s %q", a.leg, a.body)
	case doOfferAgain:
		return fmt.Sprintf("offer %s %q", a.leg, a.body)
	case doClaim:
		return "claim"
	case doGive:
		return fmt.Sprintf("give %s (%s)", a.leg, a.side)
	case doRefuseClaim:
		return "refuse claim"
	case doSegment:
		return fmt.Sprintf("next segment at %d%s", a.at.Time.Sub(zero).Milliseconds(), paused(a.pausedBy))
	case doTap:
		return "tap" + paused(a.pausedBy)
	case doAwait:
		return "await a"
	case doPlay:
		return describePlay(a)
	case doStopPlay:
		return fmt.Sprintf("stop the %s of the %s", a.what.purpose, a.what.to) + inRoom(a.what.room)
	case doSilence:
		return fmt.Sprintf("silence the %s", a.side)
	case doAnswer:
		return fmt.Sprintf("answer a %q", a.body)
	case doReoffer:
		return strings.TrimRight(fmt.Sprintf("reoffer %s (%s) %d %q, else ask %s", a.leg, a.side, a.id, a.body, a.other), " ")
	case doRefuseOffer:
		return fmt.Sprintf("refuse offer %d of %s %d", a.id, a.leg, a.status)
	case doSettle:
		return fmt.Sprintf("settle %s (%s) %q, update %s %d", a.leg, a.side, a.body, a.to, a.id)
	case doPresent:
		if a.id == 0 {
			return fmt.Sprintf("offer %s (%s) the session as it is", a.leg, a.side)
		}
		return fmt.Sprintf("update %s (%s) %d with the session as it is", a.leg, a.side, a.id)
	case doTake:
		return strings.TrimRight(fmt.Sprintf("take %s (%s) %q, else tell %s", a.leg, a.side, a.body, a.other), " ")
	case doConclude:
		return fmt.Sprintf("conclude %s %q", a.leg, a.body)
	case doUndo:
		return fmt.Sprintf("undo %s", a.side)
	case doSpare:
		return fmt.Sprintf("spare the %s, heard at %d", a.side, a.heard.Sub(zero).Milliseconds())
	case doHangup:
		if a.cause.Q850 != 0 && a.cause.Q850 != 16 {
			return fmt.Sprintf("hangup %s %s, Q.850 %d", a.leg, a.cause, a.cause.Q850)
		}
		line := fmt.Sprintf("hangup %s %s", a.leg, a.cause)
		if to := a.cause.Redirect; to != nil {
			line += " to " + strings.Join(to.To, " ")
		}
		return line
	case doAdopt:
		return fmt.Sprintf("adopt %s", a.leg)
	case doTimer:
		return fmt.Sprintf("timer %s %s", a.timer, a.after)
	case doStopTimer:
		return strings.TrimRight(fmt.Sprintf("stop timer %s", a.timer), " ")
	case doPublish:
		return describePublish(a)
	case doCloseRelay:
		return "close relay"
	case doCloseRecording:
		line := fmt.Sprintf("close recording at %d", a.ended.Sub(zero).Milliseconds())
		if a.fresh {
			line = fmt.Sprintf("close untapped recording at %d", a.ended.Sub(zero).Milliseconds())
		}
		if a.discard {
			line += " and throw it away"
		}
		return line
	case doFinish:
		return "finish"
	case doPressed:
		return fmt.Sprintf("a %s of the %s by info", a.press.Digit, a.side) + inRoom(a.room)
	case doTell:
		return fmt.Sprintf("tell %s a %s by info", a.leg, a.press.Digit)
	case doPress:
		return fmt.Sprintf("press a %s for the %s", a.press.Digit, a.side)
	case doCodes:
		return fmt.Sprintf("codes of the %s: %s", a.side, strings.Join(a.codes, " "))
	case doSuppress:
		return fmt.Sprintf("keys of the %s: %s", a.side, a.mode)
	case doPause:
		return map[bool]string{true: "pause recording by ", false: "resume recording by "}[a.on] + a.by
	}
	return fmt.Sprintf("UNKNOWN %T", a)
}

func describePlay(a doPlay) string {
	line := fmt.Sprintf("play %s to the %s%s:", a.what.purpose, a.what.to, inRoom(a.what.room))
	o := a.order
	line += " " + cmp.Or(o.Sound.File, o.Sound.Shipped, o.Sound.Ringback, "tone")
	if o.Barge {
		line += ", until a key"
	}
	if a.order.Loop {
		line += ", on and on"
	}
	if a.order.Under {
		line += fmt.Sprintf(", under talk, every %s", a.order.Every)
	}
	return line
}

func describePublish(a doPublish) string {
	line := fmt.Sprintf("publish %s at %d", a.kind, a.at.Sub(zero).Milliseconds())
	if a.wait {
		line += " and wait"
	}
	switch d := a.data.(type) {
	case events.CallEndedData:
		line += fmt.Sprintf(" %s by %s, cause %d/%d %s %q, setup %d ring %d talk %d billable %d duration %d",
			d.Status, d.EndedBy, d.Cause.SIPStatus, d.Cause.Q850, d.Cause.Source, d.Cause.SIPReason,
			d.SetupMS, d.RingMS, d.TalkMS, d.BillableMS, d.DurationMS)
		if d.BilledUntil != nil {
			line += fmt.Sprintf(", billed until %d", time.Time(*d.BilledUntil).Sub(zero).Milliseconds())
		}
		if d.AttendedAt != nil {
			line += fmt.Sprintf(", attended %d from %d", d.AttendedMS, time.Time(*d.AttendedAt).Sub(zero).Milliseconds())
		}
		if d.HoldMS > 0 {
			line += fmt.Sprintf(", held %d", d.HoldMS)
		}
		if d.RejectReason != "" {
			line += ", reason " + d.RejectReason
		}
		if d.Limit != "" {
			line += ", limit of the " + d.Limit
		}
		if d.Winner != "" {
			line += ", winner " + d.Winner
		}
		if d.Transfers > 0 {
			line += fmt.Sprintf(", transfers %d", d.Transfers)
		}
	case events.CallAttendedData:
		line += " " + d.Leg + " for " + d.Step
	case events.CallSteppedData:
		line += fmt.Sprintf(" %s: %s", d.Step, d.Result)
		if d.Choice != "" {
			line += " " + d.Choice
		}
		if d.Keys > 0 {
			line += fmt.Sprintf(", %d keys", d.Keys)
		}
		if d.Number != nil {
			line += fmt.Sprintf(", number %d", *d.Number)
		}
		if len(d.Destinations) > 0 {
			line += fmt.Sprintf(", of %d, recording %s, consent %s", len(d.Destinations), cmp.Or(d.Recording, "unsaid"), cmp.Or(d.Consent, "unsaid"))
		}
		if d.Reply != "" {
			line += ", reply " + d.Reply
		}
		if d.Sticky != "" {
			line += ", sticky"
		}
		for _, trial := range d.Trials {
			line += fmt.Sprintf(", %d %s", trial.Target, trial.Result)
		}
	case events.CallTaggedData:
		line += fmt.Sprintf(" %v", d.Tags)
	case events.ConsentData:
		line += strings.TrimRight(fmt.Sprintf(" %s %s %s, %d ms %s", d.Outcome, d.Prompt, d.Language, d.PlayedMS, d.Choice), " ")
	case events.RecordingBlockedData:
		line += fmt.Sprintf(" %s, policy %s", d.Reason, d.Policy)
	case events.CallTransferRequestedData:
		line += strings.TrimRight(fmt.Sprintf(" %s by %s of the %s %s", d.Kind, d.By, d.Side, d.Reason), " ")
		if d.Source != "" {
			line += ", " + d.Source
		}
	case events.CallTransferredData:
		line += fmt.Sprintf(" %s by %s of the %s: %s left, %s joined", d.Kind, d.By, d.Side, d.Left, d.Joined)
		if d.FromCall != "" {
			line += " from " + d.FromCall
		}
		if d.ToCall != "" {
			line += ", to " + d.ToCall
		}
	case events.CallTransferFailedData:
		line += fmt.Sprintf(" %s by %s of the %s: %d %q", d.Kind, d.By, d.Side, d.Cause.SIPStatus, d.Cause.SIPReason)
	case events.CallRejectedData:
		line += fmt.Sprintf(" %s %d", d.RejectReason, d.Cause.SIPStatus)
		if d.Limit != "" {
			line += " of the " + d.Limit + ": " + d.Trace[len(d.Trace)-1].Text
		}
	case events.LegCreatedData:
		line += fmt.Sprintf(" %s %s", d.Leg, d.Role)
		if d.RedirectedBy != "" {
			line += " redirected by " + d.RedirectedBy
		}
		if d.FromCall != "" {
			line += " from " + d.FromCall
		}
	case events.LegRingingData:
		line += fmt.Sprintf(" %s %d", d.Leg, d.SIP)
	case events.LegAnsweredData:
		line += " " + d.Leg
	case events.LegWhisperedData:
		line += fmt.Sprintf(" %s complete %t", d.Leg, d.Complete)
		if d.End != "" {
			line += ", " + d.End
		}
	case events.LegAcceptedData:
		line += fmt.Sprintf(" %s after %d", d.Leg, d.WaitedMS)
	case events.LegDeclinedData:
		line += fmt.Sprintf(" %s %s after %d", d.Leg, d.Reason, d.WaitedMS)
	case events.LegFailedData:
		line += fmt.Sprintf(" %s %s %d %q", d.Leg, d.Status, d.Cause.SIPStatus, d.Cause.SIPReason)
		if d.Redirect != "" {
			line += ", redirection " + d.Redirect
		}
		if d.Limit != "" {
			line += fmt.Sprintf(", %s of the %s", d.Reason, d.Limit)
		}
	case events.LegEndedData:
		line += fmt.Sprintf(" %s by %s %q", d.Leg, d.EndedBy, d.Cause.SIPReason)
	case events.CallHeldData:
		line += strings.TrimRight(fmt.Sprintf(" %s %s %s", d.Party, d.Leg, d.Source), " ")
	case events.CallBridgedData:
		line += " " + d.Winner
		if d.LateDurable {
			line += " late-durable"
		}
	case events.CallAnsweredData:
		line += " " + d.Winner
	case events.DTMFDetectedData:
		line += fmt.Sprintf(" %d %s of the %s %s by %s", d.Count, d.Class, d.Side, d.Leg, strings.Join(d.Ways, ", "))
	case events.MediaStartedData:
		line += " " + d.Side
	case events.MediaPlayedData:
		line += fmt.Sprintf(" %s to the %s %s, %d ms, %s", d.Sound, d.Side, d.Leg, d.PlayedMS, d.End)
	case events.MediaUnheardData:
		line += strings.TrimRight(fmt.Sprintf(" %s %s of %s: %s for %d %s", d.State, d.Side, d.Leg, d.Verdict, d.LastedMS, d.Source), " ")
	case events.MediaQualityData:
		line += fmt.Sprintf(" %s %s of %s: %s, %.2f %% of %d lost, MOS %.2f", d.State, d.Side, d.Leg, d.Codec, d.LossPercent, d.Expected, d.MOSLQ)
	case events.MediaTimeoutData:
		line += fmt.Sprintf(" %s %s of %s: silent for %d", d.Limit, d.Side, d.Leg, d.SilentMS)
	}
	return line
}

func inRoom(id LegID) string {
	if id == "" {
		return ""
	}
	return " in the room of " + string(id)
}
