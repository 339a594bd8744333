package routing

import (
	"maps"
	"slices"
)

// tongues are the languages that the program's own prompts are in.
var tongues = []string{"de", "en", "no"}

// shipped are the prompts that come with the program, with their languages. What
// each says stands in media/prompts/texts.tsv.
var shipped = map[string][]string{
	"accept":           tongues, // press one to take the call, two to decline
	"all-busy":         tongues,
	"beep":             {"zxx"}, // a tone, in no language
	"call-from":        tongues, // you have a call from …
	"closed":           tongues,
	"goodbye":          tongues,
	"invalid":          tongues, // that is none of the choices
	"leave-message":    tongues, // after the tone
	"not-allowed":      tongues, // this call cannot be connected
	"please-hold":      tongues,
	"press-0":          tongues, // please press zero
	"press-1":          tongues,
	"press-2":          tongues,
	"press-3":          tongues,
	"press-4":          tongues,
	"press-5":          tongues,
	"press-6":          tongues,
	"press-7":          tongues,
	"press-8":          tongues,
	"press-9":          tongues,
	"rate":             tongues, // from one to five
	"recording-notice": tongues, // this call is recorded
	"thanks":           tongues,
	"unassigned":       tongues, // this number is not in service
	"unavailable":      tongues, // nobody can take the call
}

// ShippedPrompts lists the prompts that come with the program as [Prompt.Shipped]
// names them: "en/goodbye".
func ShippedPrompts() (names []string) {
	for _, id := range slices.Sorted(maps.Keys(shipped)) {
		for _, language := range shipped[id] {
			names = append(names, language+"/"+id)
		}
	}
	return names
}
