package main

import (
	"context"
	"encoding/json"
	"errors"

	"ringdown/api"
	"ringdown/call"
	"ringdown/events/natsbus"
	"ringdown/media"
	"ringdown/routing"
)

// openAPI shows the rooms through the HTTP face.
func (n *node) openAPI() (err error) {
	c := n.config.HTTP
	c.Token = n.token
	table, err := newTableFace(n)
	if err != nil {
		return err
	}
	n.api, err = api.New(c, api.Deps{
		Version:    buildVersion(),
		Ready:      n.checks,
		Draining:   n.board.Draining,
		Metrics:    n.metrics(),
		Calls:      n.board.Calls,
		Hangup:     n.hangup,
		Order:      n.order,
		Events:     n.events,
		Recordings: bookshelf{n.recorder},
		Directory:  table,
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

// order gives a live call an order of the face.
func (n *node) order(ctx context.Context, id string, o api.Order) error {
	err := n.board.Control(ctx, call.ID(id), orderOf(o), call.ByAPI)
	if errors.Is(err, call.ErrNotLive) {
		return api.ErrNotFound
	}
	return err
}

// orderOf is an order in the words of the call; the face has checked that it is one.
func orderOf(o api.Order) call.Order {
	party := func(word string) media.Side {
		if word == media.Caller.String() {
			return media.Caller
		}
		return media.Callee
	}
	switch {
	case o.Transfer != nil:
		to := o.Transfer.To
		return call.TransferTo{Side: party(o.Transfer.Party), To: routing.Destination{URI: to.URI, Number: to.Number, User: to.User, Trunk: to.Trunk}}
	case o.Connect != nil:
		return call.ConnectTo{Side: party(o.Connect.Party), Call: call.ID(o.Connect.Call), Party: party(o.Connect.With)}
	case o.Play != nil:
		return call.PlayTo{Side: party(o.Play.Party), Prompt: o.Play.Prompt, Under: o.Play.Under, Loop: o.Play.Loop}
	case o.Hold != nil:
		return call.PutOnHold{Side: party(o.Hold.Party), On: o.Hold.On}
	case o.Mute != nil:
		return call.MuteParty{Side: party(o.Mute.Party), On: o.Mute.On}
	case o.Tag != nil:
		return call.TagWith{Tags: o.Tag}
	case o.Recording == nil:
		return call.StopPlaying{}
	}
	switch o.Recording.Action {
	case "pause", "resume":
		return call.PauseRecording{On: o.Recording.Action == "pause"}
	}
	return call.SwitchRecording{On: o.Recording.Action == "start"}
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
	return []func(*api.Metrics){goMetrics, n.callMetrics, n.sipMetrics, n.mediaMetrics, n.recorderMetrics, n.eventMetrics, n.directoryMetrics}
}
