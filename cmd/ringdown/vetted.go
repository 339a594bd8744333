package main

// vetted says what became of who answered and was spoken to before he had the call.
func (l *attempt) vetted() (parts []string) {
	switch l.Whisper {
	case "":
	case "heard":
		parts = append(parts, "heard the whisper")
	case "key":
		parts = append(parts, "did not wait for the end of the whisper")
	case "no-codec", "failed":
		parts = append(parts, "could not be whispered to ("+l.Whisper+")")
	default:
		parts = append(parts, "did not hear the whisper to its end ("+l.Whisper+")")
	}
	if l.TookMS == nil {
		return parts
	}
	after := " after " + span(*l.TookMS)
	switch l.Took {
	case "accepted":
		return append(parts, "took the call by a key"+after)
	case "key":
		return append(parts, "declined by a key"+after)
	case "hung-up":
		return append(parts, "hung up instead of taking the call"+after)
	case "timeout":
		return append(parts, "did not take the call in time, as a machine does not"+after)
	}
	return append(parts, "could not be put through"+after)
}
