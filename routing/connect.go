package routing

import "time"

// Bounds of how long an address may be silent. Below a second a busy one, or one
// that is far, is taken for dead; the INVITE has been sent twice by then.
const (
	leastConnect = time.Second
	mostConnect  = 30 * time.Second
)

// connect says of targets how long their addresses may be silent.
func (b *builder) connect(d Duration, targets []target, path string) {
	if d.IsZero() {
		return
	}
	exact, ok := d.Exact()
	if !ok || exact < leastConnect || exact > mostConnect {
		b.fault("is not PT1S to PT30S", "%s.connect_timeout", path)
		return
	}
	for i := range targets {
		targets[i].Connect = exact
	}
}
