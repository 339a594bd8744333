package siptest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Notice is what a NOTIFY says of a transfer (RFC 3515 2.4.4).
type Notice struct {
	Status int    // of the sipfrag
	Over   bool   // Subscription-State: terminated
	Event  string // with its id
}

// Refer asks the peer to call to instead of us, and waits for its answer. More
// headers may be given; Refer-Sub: false wants no NOTIFY.
func (d *Dialog) Refer(ctx context.Context, to string, fields ...Field) (*Message, error) {
	return d.Request(ctx, "REFER", nil, append([]Field{{"Refer-To", "<" + to + ">"}, {"Contact", "<" + d.p.contact(d.link) + ">"}}, fields...)...)
}

// Notices are what we were told of transfers so far, in order.
func (d *Dialog) Notices() []Notice {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	return append([]Notice(nil), d.notices...)
}

// Replaces names this dialog as the peer sees it: the value of a Replaces header
// (RFC 3891) for whoever calls the peer to take our place.
func (d *Dialog) Replaces() string {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	return d.callID + ";to-tag=" + d.remoteTag + ";from-tag=" + d.localTag
}

// ReplacesUs names this dialog as we see it: for the peer, to take the place of
// its own leg in it.
func (d *Dialog) ReplacesUs() string {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	return d.callID + ";to-tag=" + d.localTag + ";from-tag=" + d.remoteTag
}

// WithReplaces is a URI with a dialog that its target shall give up.
func WithReplaces(uri, replaces string) string {
	return uri + "?Replaces=" + strings.ReplaceAll(url.QueryEscape(replaces), "+", "%20")
}

// notified answers a NOTIFY, and keeps what it says.
func (d *Dialog) notified(s *server) {
	n, err := readNotice(s.req)
	if err != nil {
		d.p.journal.accuse(s.req, "NOTIFY: %w", err)
	}
	d.notices = append(d.notices, n)
	s.respond(s.reply(200, ""))
}

func readNotice(m *Message) (n Notice, err error) {
	n.Event = m.Get("Event")
	if kind, _, _ := strings.Cut(n.Event, ";"); kind != "refer" {
		err = errors.Join(err, fmt.Errorf("event %q", n.Event))
	}
	state, params, _ := strings.Cut(m.Get("Subscription-State"), ";")
	switch {
	case state == "terminated" && params == "reason=noresource":
		n.Over = true
	case state != "active" || !strings.HasPrefix(params, "expires="):
		err = errors.Join(err, fmt.Errorf("subscription is %q", m.Get("Subscription-State")))
	}
	if kind, _, _ := strings.Cut(m.Get("Content-Type"), ";"); kind != "message/sipfrag" {
		err = errors.Join(err, fmt.Errorf("body is %q", kind))
	}
	version, rest, _ := strings.Cut(string(m.Body), " ")
	status, phrase, _ := strings.Cut(rest, " ")
	n.Status, _ = strconv.Atoi(status)
	if version != "SIP/2.0" || n.Status < 100 || n.Status > 699 || !strings.HasSuffix(phrase, "\r\n") || strings.Count(phrase, "\r\n") != 1 {
		err = errors.Join(err, fmt.Errorf("body holds more or less than a status line"))
	}
	if n.Over != (n.Status >= 200) {
		err = errors.Join(err, fmt.Errorf("a status of %d in a subscription that is over: %v", n.Status, n.Over))
	}
	if len(m.Values("Contact")) != 1 {
		err = errors.Join(err, errors.New("not one Contact"))
	}
	return n, err
}
