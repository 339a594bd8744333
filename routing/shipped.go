package routing

import (
	"maps"
	"slices"
)

// shipped are the prompts that come with the program, with their languages.
var shipped = map[string][]string{
	"goodbye":          {"en"}, // goodbye
	"recording-notice": {"en"}, // this call may be recorded
	"invalid":          {"en"}, // that is none of the choices
	"leave-message":    {"en"}, // please leave a message after the tone
	"press-1":          {"en"}, // press 1 to take the call
	"rate":             {"en"}, // please rate the call from 1 to 5
	"thanks":           {"en"}, // thank you
	"closed":           {"en"}, // we are closed now
	"unavailable":      {"en"}, // nobody can take the call now
	"unassigned":       {"en"}, // the number is not in service
}

// ShippedPrompts lists the prompts that come with the program as Prompt.Shipped
// names them: "en/goodbye".
func ShippedPrompts() (names []string) {
	for _, id := range slices.Sorted(maps.Keys(shipped)) {
		for _, language := range shipped[id] {
			names = append(names, language+"/"+id)
		}
	}
	return names
}
