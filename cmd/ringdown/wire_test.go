package main

import (
	"errors"
	"log/slog"
	"testing"

	"ringdown/call"
	"ringdown/media"
	"ringdown/media/relay"
)

// TestMediaCauses: who wrote the description that cannot be relayed decides what
// the caller hears.
func TestMediaCauses(t *testing.T) {
	pool, err := relay.NewPool(relay.Config{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	r, err := pool.NewRelay("call_1", nil)
	if err != nil {
		t.Fatal(err)
	}
	b := bridge{r}
	const audio = "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 5000 RTP/AVP 0\r\n"
	want := func(status int, err error) {
		t.Helper()
		if c := (call.Cause{}); !errors.As(err, &c) || c.Status != status {
			t.Errorf("%v, want status %d", err, status)
		}
	}
	offer := func(body string) error { _, err := b.Offer(media.Caller, []byte(body), media.Source{}); return err }
	answer := func(body string) error { _, err := b.Answer(media.Callee, []byte(body), media.Source{}); return err }
	want(400, offer("not a description"))
	want(488, offer("v=0\r\nm=image 5000 udptl t38\r\n"))
	if err := offer(audio); err != nil {
		t.Fatal(err)
	}
	want(502, answer(""))
	want(488, answer("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 5000 RTP/AVP 18\r\n"))
	if err := answer(audio); err != nil {
		t.Error(err)
	}
}
