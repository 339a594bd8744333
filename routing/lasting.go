package routing

import (
	"fmt"
	"time"
)

// lasting is a time that was said, held to its bounds, else the one given.
func (b *builder) lasting(d Duration, otherwise, least, most time.Duration, path string) time.Duration {
	if d.IsZero() {
		return otherwise
	}
	exact, ok := d.Exact()
	if !ok || exact < least || exact > most {
		b.fault(fmt.Sprintf("is not %s to %s", Duration{clock: least}, Duration{clock: most}), "%s", path)
		return otherwise
	}
	return exact
}
