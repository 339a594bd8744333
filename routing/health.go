package routing

import "time"

// Health says how a trunk's targets are watched.
type Health struct {
	Interval Duration `yaml:"interval"` // between two OPTIONS to each address; zero: none are sent
}

// Every is the interval, 0 when nothing is to be asked.
func (h Health) Every() time.Duration {
	every, _ := h.Interval.Exact()
	return every
}

func (b *builder) health(spec Trunk, path string) {
	if spec.Health.Interval.IsZero() {
		return
	}
	every, ok := spec.Health.Interval.Exact()
	if !ok || every < time.Second || every > time.Hour {
		b.fault("is not an interval of PT1S to PT1H", "%s.health.interval", path)
	}
	if len(spec.Targets) == 0 {
		b.fault("has no targets to ask", "%s.health", path)
	}
}
