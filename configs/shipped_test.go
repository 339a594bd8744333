package configs

import (
	"slices"
	"testing"

	"ringdown/media/prompts"
	"ringdown/routing"
)

// Routing, which reads no files, names exactly the prompts that the program ships.
func TestShippedPrompts(t *testing.T) {
	var shipped []string
	for _, p := range prompts.All() {
		shipped = append(shipped, p.ID())
	}
	known := routing.ShippedPrompts()
	slices.Sort(shipped)
	slices.Sort(known)
	if !slices.Equal(shipped, known) {
		t.Errorf("shipped are\n%v\nand routing knows\n%v", shipped, known)
	}
}
