package natsbus

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestRequest(t *testing.T) {
	b := openBus(t, embedded(t.TempDir()))
	if _, _, err := b.Request(t.Context(), "owner.route", nil, nil); !errors.Is(err, ErrNobody) {
		t.Errorf("nobody listens: got %v", err)
	}
	sub, err := b.conn.Subscribe("owner.route", func(m *nats.Msg) {
		if m.Header.Get("Mute") != "" {
			return
		}
		out := nats.NewMsg(m.Reply)
		out.Header.Set("Webhook-Id", m.Header.Get("Webhook-Id"))
		out.Data = append([]byte("to "), m.Data...)
		m.RespondMsg(out)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := b.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	reply, header, err := b.Request(t.Context(), "owner.route", map[string]string{"Webhook-Id": "call_1-2"}, []byte("question"))
	if err != nil || string(reply) != "to question" || header["Webhook-Id"] != "call_1-2" {
		t.Errorf("got %q, %v, %v", reply, header, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := b.Request(ctx, "owner.route", map[string]string{"Mute": "1"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("no reply: got %v", err)
	}
}
