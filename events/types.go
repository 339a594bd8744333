package events

import (
	"encoding/json"
	"reflect"
)

// Types lists every type of this version, in the order of a call's life.
func Types() []string {
	return []string{
		CallReceived, CallScreened, CallRejected, CallRouted, CallAttended, CallStepped, CallTagged, CallRinging, CallAnswered, CallBridged, CallHeld, CallResumed,
		CallTransferRequested, CallTransferred, CallTransferFailed, CallEnded,
		LegCreated, LegRinging, LegEarlyMedia, LegAnswered, LegWhispered, LegAccepted, LegDeclined, LegFailed, LegEnded, FraudSuspected,
		MediaStarted, MediaQuality, MediaOneWay, MediaSilence, MediaTimeout, DTMFDetected, MediaPlayed,
		ConsentAnnounced, ConsentGranted, ConsentRefused, VoicemailLeft, RecordingBlocked,
		RecordingStarted, RecordingPaused, RecordingResumed, RecordingDegraded, RecordingCompleted, RecordingFailed,
		SIPSourceBanned, ConfigChanged, ConfigRefused,
	}
}

// Known reports whether t is a type of this version.
func Known(t string) bool {
	switch t {
	case CallReceived, CallScreened, CallRejected, CallRouted, CallAttended, CallStepped, CallTagged, CallRinging, CallAnswered, CallBridged, CallHeld, CallResumed,
		CallTransferRequested, CallTransferred, CallTransferFailed, CallEnded,
		LegCreated, LegRinging, LegEarlyMedia, LegAnswered, LegWhispered, LegAccepted, LegDeclined, LegFailed, LegEnded, FraudSuspected,
		MediaStarted, MediaQuality, MediaOneWay, MediaSilence, MediaTimeout, DTMFDetected, MediaPlayed,
		ConsentAnnounced, ConsentGranted, ConsentRefused, VoicemailLeft, RecordingBlocked,
		RecordingStarted, RecordingPaused, RecordingResumed, RecordingDegraded, RecordingCompleted, RecordingFailed,
		SIPSourceBanned, ConfigChanged, ConfigRefused:
		return true
	}
	return false
}

// Terminal reports whether t closes something. Such an event has space kept for
// it on the disk and is never given up.
func Terminal(t string) bool {
	return t == CallEnded || t == RecordingCompleted || t == RecordingFailed
}

// RecordingOf returns the id of the recording that data speaks of, empty when
// it speaks of none.
func RecordingOf(data any) string {
	switch d := plain(data).(type) {
	case RecordingStartedData:
		return d.Recording
	case VoicemailLeftData:
		return d.Recording
	case RecordingPausedData:
		return d.Recording
	case RecordingResumedData:
		return d.Recording
	case RecordingDegradedData:
		return d.Recording
	case RecordingCompletedData:
		return d.Recording
	case RecordingFailedData:
		return d.Recording
	case Encoded:
		return RecordingOf(json.RawMessage(d))
	case json.RawMessage:
		var v struct {
			Recording string `json:"recording"`
		}
		if json.Unmarshal(d, &v) == nil {
			return v.Recording
		}
	}
	return ""
}

// plain returns what data points to, or data itself.
func plain(data any) any {
	if v := reflect.ValueOf(data); v.Kind() == reflect.Pointer && !v.IsNil() {
		return v.Elem().Interface()
	}
	return data
}

// fits reports whether data is the payload of t, or points to one; raw JSON
// always may be.
func fits(t string, data any) bool {
	switch plain(data).(type) {
	case json.RawMessage, Encoded:
		return true
	case CallReceivedData:
		return t == CallReceived
	case CallRejectedData:
		return t == CallRejected
	case CallRoutedData:
		return t == CallRouted
	case CallAttendedData:
		return t == CallAttended
	case CallSteppedData:
		return t == CallStepped
	case CallTaggedData:
		return t == CallTagged
	case ConsentData:
		return t == ConsentAnnounced || t == ConsentGranted || t == ConsentRefused
	case VoicemailLeftData:
		return t == VoicemailLeft
	case RecordingBlockedData:
		return t == RecordingBlocked
	case CallRingingData:
		return t == CallRinging
	case CallAnsweredData:
		return t == CallAnswered
	case CallBridgedData:
		return t == CallBridged
	case CallTransferRequestedData:
		return t == CallTransferRequested
	case CallTransferredData:
		return t == CallTransferred
	case CallTransferFailedData:
		return t == CallTransferFailed
	case CallHeldData:
		return t == CallHeld || t == CallResumed
	case CallEndedData:
		return t == CallEnded
	case LegCreatedData:
		return t == LegCreated
	case LegRingingData:
		return t == LegRinging || t == LegEarlyMedia
	case LegAnsweredData:
		return t == LegAnswered
	case LegWhisperedData:
		return t == LegWhispered
	case LegAcceptedData:
		return t == LegAccepted
	case LegDeclinedData:
		return t == LegDeclined
	case LegFailedData:
		return t == LegFailed
	case LegEndedData:
		return t == LegEnded
	case MediaStartedData:
		return t == MediaStarted
	case DTMFDetectedData:
		return t == DTMFDetected
	case MediaPlayedData:
		return t == MediaPlayed
	case MediaQualityData:
		return t == MediaQuality
	case MediaUnheardData:
		return t == MediaOneWay || t == MediaSilence
	case MediaTimeoutData:
		return t == MediaTimeout
	case RecordingStartedData:
		return t == RecordingStarted
	case RecordingPausedData:
		return t == RecordingPaused
	case RecordingResumedData:
		return t == RecordingResumed
	case RecordingDegradedData:
		return t == RecordingDegraded
	case RecordingCompletedData:
		return t == RecordingCompleted
	case RecordingFailedData:
		return t == RecordingFailed
	case CallScreenedData:
		return t == CallScreened
	case FraudSuspectedData:
		return t == FraudSuspected
	case SIPSourceBannedData:
		return t == SIPSourceBanned
	case ConfigChangedData:
		return t == ConfigChanged
	case ConfigRefusedData:
		return t == ConfigRefused
	}
	return false
}
