package api

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"ringdown/call"
)

// order is what a node would say.
func (o *world) order(_ context.Context, id string, order Order) error {
	switch {
	case id != call1:
		return ErrNotFound
	case order.Play != nil && order.Play.Prompt != "hello":
		return call.Invalid{Why: "there is no such prompt"}
	case order.Transfer != nil:
		return call.NotNow{Why: "another transfer is under way"}
	case order.Mute != nil && order.Mute.Party == "caller":
		return errors.New("a secret of the inside")
	}
	o.orders = append(o.orders, order.name())
	return nil
}

func TestOrder(t *testing.T) {
	d := describe(t)
	o := newWorld()
	s := o.server(t)
	for _, c := range []struct {
		id, body string
		status   int
		says     string
	}{
		{call1, `{"hold": {"party": "caller", "on": true}}`, 202, `"order": "hold"`},
		{call1, `{"mute": {"party": "callee", "on": false}}`, 202, `"taken"`},
		{call1, `{"play": {"party": "caller", "prompt": "hello", "under": true}}`, 202, ""},
		{call1, `{"stop": {"playing": true}}`, 202, ""},
		{call1, `{"recording": {"action": "pause"}}`, 202, ""},
		{call1, `{"tag": {"quality": "good"}}`, 202, ""},
		{call1, `{"connect": {"party": "callee", "call": "` + nobody + `", "with": "caller"}}`, 202, ""},
		{call1, `{"transfer": {"party": "callee", "to": {"number": "+4799999912", "trunk": "carrier"}}}`, 409, "another transfer is under way"},
		{call1, `{"play": {"party": "caller", "prompt": "hullo"}}`, 400, "no such prompt"},
		{nobody, `{"stop": {"playing": true}}`, 404, "no live call"},
		{call1, `{"mute": {"party": "caller", "on": true}}`, 500, "its log says what"},
		{call1, `{}`, 400, "exactly one of"},
		{call1, `{"hold": {"party": "caller"}, "mute": {"party": "caller"}}`, 400, "exactly one of"},
		{call1, `{"hold": {"party": "everybody"}}`, 400, "caller or callee"},
		{call1, `{"connect": {"party": "callee", "call": "+4799999912", "with": "caller"}}`, 400, "not the id of a call"},
		{call1, `{"recording": {"action": "erase"}}`, 400, "start, stop, pause, resume"},
		{call1, `{"stop": {}}`, 400, "stop.playing"},
		{call1, `{"hang": "+4799999912"}`, 400, "not known"},
		{call1, `{"tag": 7}`, 400, "wrong type"},
		{call1, `{"tag": {}}`, 400, "tag is empty"},
		{call1, `{"tag": {}} {}`, 400, "behind its JSON"},
		{call1, ``, 400, "too early"},
		{call1, `{"tag": {"a": "` + strings.Repeat("x", maxBody) + `"}}`, 413, "longer than"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v1/calls/"+c.id+"/orders", strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer "+token)
		s.handler.ServeHTTP(w, r)
		if w.Code != 500 { // which no document describes
			d.judge(t, "POST", "/v1/calls/{id}/orders", w)
		}
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%.60s: %d %s", c.body, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String()+o.log.String(), "99999912") || strings.Contains(w.Body.String(), "secret of") {
			t.Errorf("%.60s: what was sent or is inside comes back", c.body)
		}
	}
	if got := strings.Join(o.orders, " "); got != "hold mute play stop recording tag connect" {
		t.Errorf("the node got %q", got)
	}
	if !strings.Contains(o.log.String(), "order=hold") {
		t.Error("an order leaves no line in the log")
	}
}
