package main

import (
	"encoding/json"
	"strings"

	"ringdown/events"
)

// foldGuard takes what screening and the fraud guard have told.
func (s *story) foldGuard(e events.Event, data []byte) error {
	if e.Type == events.CallScreened {
		var d events.CallScreenedData
		err := json.Unmarshal(data, &d)
		s.Screened = append(s.Screened, d)
		return err
	}
	var d events.FraudSuspectedData
	err := json.Unmarshal(data, &d)
	s.Suspected = append(s.Suspected, d)
	return err
}

// screening says what was found of the caller.
func (s *story) screening(b *strings.Builder) {
	for _, d := range s.Screened {
		line(b, "Screening", "%s", screenedWords(d))
	}
	for _, d := range s.Suspected {
		what := "a destination"
		if d.Class != "" {
			what = "a " + d.Class + " number"
			if d.Class == "international" {
				what = "an international number"
			}
		}
		if d.Country != "" {
			what += " of " + d.Country
		}
		line(b, "Guard", "%s was not dialled (%s): %s", what, d.Rule, d.Text)
	}
}

// screenedWords tells one verdict.
func screenedWords(d events.CallScreenedData) string {
	verdicts := map[string]string{"passed": "the caller was let in", "refused": "the caller was refused", "challenged": "the caller was asked to press a key"}
	rules := map[string]string{
		"allow-list": "he is on an allow list", "block-list": "he is on a block list", "attestation": "how well his number is attested",
		"anonymous": "he withholds his number", "repeat-rate": "how often he has called", "reputation": "what others say of him", "challenge": "everybody like him has to press one",
	}
	text, ok := verdicts[d.Verdict]
	if !ok {
		text = d.Verdict
	}
	if d.Rule == "" {
		return text + ": no rule names him"
	}
	rule, ok := rules[d.Rule]
	if !ok {
		rule = strings.ReplaceAll(d.Rule, "-", " ")
	}
	text += ": " + rule
	if d.List != "" {
		text += " (" + d.List + ")"
	}
	return text + ", a rule of the " + d.Of
}
