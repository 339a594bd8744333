//go:build interop

package interop

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

const ownersSecret = "of the owner and of the node, of nobody else"

// owner is who owns a number: he is asked while his caller waits. He is written from
// the Standard Webhooks specification, not from our own code.
type owner struct {
	t     *testing.T
	reply string // what he says
	mood  atomic.Pointer[string]
	asked atomic.Int32
	wrong atomic.Pointer[string] // with a question
}

func newOwner(t *testing.T, reply string) *owner {
	o := &owner{t: t, reply: reply}
	o.becomes("quick")
	return o
}

func (o *owner) becomes(mood string) { o.mood.Store(&mood) }

func stampedBy(id, stamp string, body []byte) string {
	m := hmac.New(sha256.New, []byte(ownersSecret))
	fmt.Fprintf(m, "%s.%s.%s", id, stamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// answer judges a question and returns what is said to it.
func (o *owner) answer(id, stamp, signature string, body []byte) []byte {
	o.asked.Add(1)
	var q struct {
		Type   string `json:"type"`
		ID     string `json:"id"`
		Number string `json:"tracking_number"`
		Caller struct{ Masked, Number, Subject string }
	}
	var wrong string
	switch err := json.Unmarshal(body, &q); {
	case err != nil:
		wrong = err.Error()
	case signature != stampedBy(id, stamp, body):
		wrong = "it is not signed as the specification says"
	case q.Type != "call.hook" || q.ID != id || q.Number != tracking:
		wrong = "it asks for something else"
	case q.Caller.Number != "" || strings.Contains(string(body), "99912345") || q.Caller.Masked == "":
		wrong = "it says who calls"
	}
	if wrong != "" {
		o.wrong.Store(&wrong)
	}
	if *o.mood.Load() == "late" {
		time.Sleep(3 * time.Second)
	}
	return []byte(o.reply)
}

// onWeb has him answer HTTPS.
func (o *owner) onWeb(l net.Listener, cert, key string) *http.Server {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		o.t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
		if err != nil {
			return
		}
		w.Write(o.answer(r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), r.Header.Get("webhook-signature"), body))
	})}
	go s.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})) // ends with the listener
	o.t.Cleanup(func() { s.Close() })
	return s
}

// onNATS has him answer by request-reply, signed.
func (o *owner) onNATS(n *node, subject string) *nats.Conn {
	token, err := os.ReadFile(filepath.Join(n.Dir, "token"))
	if err != nil {
		o.t.Fatal(err)
	}
	c, err := nats.Connect("nats://"+n.NATS, nats.Token(strings.TrimSpace(string(token))))
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(c.Close)
	_, err = c.Subscribe(subject, func(m *nats.Msg) {
		id, stamp := m.Header.Get("Webhook-Id"), strconv.FormatInt(time.Now().Unix(), 10)
		reply := nats.NewMsg(m.Reply)
		reply.Data = o.answer(id, m.Header.Get("Webhook-Timestamp"), m.Header.Get("Webhook-Signature"), m.Data)
		reply.Header.Set("Webhook-Id", id)
		reply.Header.Set("Webhook-Timestamp", stamp)
		reply.Header.Set("Webhook-Signature", stampedBy(id, stamp, reply.Data))
		c.PublishMsg(reply)
	})
	if err == nil {
		err = c.Flush()
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// TestHooks: an owner sends the call elsewhere, is late, and is down, by HTTPS and by
// NATS; the caller waits no longer than the deadline, and then the fallback rings.
func TestHooks(t *testing.T) {
	t.Setenv("RINGDOWN_HOOK_SECRET", ownersSecret)
	for i, way := range []string{"https", "nats"} {
		t.Run(way, func(t *testing.T) {
			host := fmt.Sprintf("127.0.%d", 96+i)
			elsewhere, fallback := newGateway(t, host+".4", takesCalls()), newGateway(t, host+".5", takesCalls())
			o := newOwner(t, fmt.Sprintf(`{"dial": {"targets": [{"uri": "sip:agent@%s"}]}, "tags": {"owner": "answered"}}`, elsewhere.address))
			p := plan{Host: host + ".1", Sources: host + ".2"}
			where := `subject: owners.calls`
			var goesDown func()
			if way == "https" {
				a := newAuthority(t)
				cert, key := a.issue(t, "owner", "IP:"+host+".8")
				l, err := net.Listen("tcp4", host+".8:0")
				if err != nil {
					t.Fatal(err)
				}
				s := o.onWeb(l, cert, key)
				goesDown = func() { s.Close() }
				where = fmt.Sprintf(`url: "https://%s/call"`, l.Addr())
				p.More = fmt.Sprintf("hooks: {networks: [%s.8/32], ca: %q}\n", host, a.cert)
			}
			p.Flow = fmt.Sprintf("    - hook: {%s, deadline: PT1S, secret: \"env:RINGDOWN_HOOK_SECRET\", send: [number], fallback: [{dial: {targets: [{uri: \"sip:agent@%s\"}]}}]}\n", where, fallback.address)
			n := newNode(t, p)
			n.start(t)
			if way == "nats" {
				c := o.onNATS(n, "owners.calls")
				goesDown = c.Close
			}
			for _, c := range []struct {
				mood, word  string
				least, most time.Duration // until the talk of a second is over
			}{
				{"quick", "", time.Second, 1900 * time.Millisecond},
				{"late", "timeout", 2 * time.Second, 2900 * time.Millisecond},
				{"down", "unreachable", time.Second, 1900 * time.Millisecond},
			} {
				o.becomes(c.mood)
				if c.mood == "down" {
					goesDown()
				}
				took := n.callOnce(t, host+".2", 0)
				t.Logf("%s: up and over in %v", c.mood, took.Round(time.Millisecond))
				if took < c.least || took > c.most {
					t.Errorf("%s: it took %v", c.mood, took)
				}
			}
			all := n.settled(t, 3)
			for k, word := range []string{"", "timeout", "unreachable"} {
				all[k].completed(t)
				if why := n.ask(t, "why", all[k].id); !strings.Contains(why, word) {
					t.Errorf("why of call %d does not say %q:\n%s", k+1, word, why)
				}
				if tags := all[k].count("call.tagged"); (tags == 1) != (k == 0) {
					t.Errorf("call %d was tagged %d times", k+1, tags)
				}
			}
			if a, b := elsewhere.got(t, "INVITE "), fallback.got(t, "INVITE "); a != 1 || b != 2 {
				t.Errorf("elsewhere was rung %d times, the fallback %d times", a, b)
			}
			if o.asked.Load() != 2 {
				t.Errorf("the owner was asked %d times", o.asked.Load())
			}
			if wrong := o.wrong.Load(); wrong != nil {
				t.Errorf("a question: %s", *wrong)
			}
			n.stop(t)
			if strings.Contains(n.out.String(), ownersSecret) || strings.Contains(n.out.String(), "99912345") {
				t.Error("the log holds a secret or a number")
			}
		})
	}
}
