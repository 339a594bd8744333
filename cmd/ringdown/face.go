package main

import (
	"context"
	"encoding/json"
	"errors"

	"ringdown/api"
	"ringdown/call"
	"ringdown/events/natsbus"
)

// openAPI shows the rooms through the HTTP face.
func (n *node) openAPI() (err error) {
	c := n.config.HTTP
	c.Token = n.token
	n.api, err = api.New(c, api.Deps{
		Version:    buildVersion(),
		Ready:      n.checks,
		Draining:   n.board.Draining,
		Metrics:    n.metrics(),
		Calls:      n.board.Calls,
		Hangup:     n.hangup,
		Events:     n.events,
		Recordings: bookshelf{n.recorder},
		Log:        n.log,
	})
	return err
}

func (n *node) hangup(id string) error {
	if !n.board.Hangup(call.ID(id), call.ByAPI) {
		return api.ErrNotFound
	}
	return nil
}

func (n *node) events(ctx context.Context, f api.EventFilter, follow bool, emit func(json.RawMessage) error) error {
	return n.bus.Tail(ctx, natsbus.Filter{Account: f.Account, Call: f.Call, Since: f.Since}, follow, emit)
}

// checks is what /readyz shows: each dependency by name.
func (n *node) checks() []api.Check {
	check := func(name string, err error) api.Check {
		if err != nil {
			return api.Check{Name: name, Reason: err.Error()}
		}
		return api.Check{Name: name, OK: true}
	}
	var full, ports, fault error
	if n.outbox.Full() {
		full = errors.New("log is full")
	}
	if n.pool.Free() < 2 {
		ports = errors.New("no media ports left")
	}
	if f := n.keys.Status().Fault; f != "" {
		fault = errors.New("key store has a fault")
	}
	media := check("media", ports)
	engine := n.pool.Engine()
	media.Detail = engine.Name + " engine: " + engine.Reason
	return []api.Check{check("keys", fault), check("outbox", full), check("nats", n.bus.Ready()), media}
}

// metrics are the rooms' own counts. No label comes from a peer.
func (n *node) metrics() []func(*api.Metrics) {
	return []func(*api.Metrics){goMetrics, n.callMetrics, n.sipMetrics, n.mediaMetrics, n.recorderMetrics, n.eventMetrics}
}
