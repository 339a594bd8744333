//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// browser is a headless Chromium with a softphone in its page.
type browser struct {
	*program
	mu   sync.Mutex
	told []report
}

type report struct {
	What string          `json:"what"`
	Data json.RawMessage `json:"data"`
}

// earful is what the page says of the sound that comes.
type earful struct {
	Hz      float64 `json:"hz"`
	DB      float64 `json:"db"`
	Packets int     `json:"packets"`
	Lost    int     `json:"lost"`
}

// newBrowser opens the page, which registers as user by WebSocket and answers
// calls with a tone.
func newBrowser(t *testing.T, host, socket, realm, user, password string, hz float64) *browser {
	t.Helper()
	b := &browser{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /report", func(w http.ResponseWriter, r *http.Request) {
		var got report
		if json.NewDecoder(r.Body).Decode(&got) == nil {
			b.mu.Lock()
			b.told = append(b.told, got)
			b.mu.Unlock()
		}
	})
	mux.Handle("GET /", http.FileServer(http.Dir("testdata")))
	l, err := net.Listen("tcp4", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	page := url.URL{Scheme: "http", Host: l.Addr().String(), Path: "/browser.html", RawQuery: url.Values{
		"ws": {"wss://" + socket}, "realm": {realm}, "user": {user}, "password": {password}, "hz": {fmt.Sprint(hz)},
	}.Encode()}
	b.program = launch(t, t.TempDir(), "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
		"--user-data-dir="+filepath.Join(t.TempDir(), "profile"), "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE "+host, // it must not speak to anybody else
		"--ignore-certificate-errors", "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns",
		"--autoplay-policy=no-user-gesture-required", "--mute-audio", page.String())
	t.Cleanup(b.kill)
	return b
}

// all returns the reports of one kind so far.
func (b *browser) all(what string) (all []json.RawMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.told {
		if r.What == what {
			all = append(all, r.Data)
		}
	}
	return all
}

func (b *browser) reports(t *testing.T, what string, limit time.Duration, means func(json.RawMessage) bool) {
	t.Helper()
	eventually(t, limit, "the browser to report "+what, func() bool {
		if faults := b.all("error"); len(faults) > 0 {
			t.Fatalf("the page: %s", faults[0])
		}
		for _, r := range b.all(what) {
			if means(r) {
				return true
			}
		}
		return false
	})
}

func text(want string) func(json.RawMessage) bool {
	return func(r json.RawMessage) bool { return string(r) == fmt.Sprintf("%q", want) }
}

// TestBrowserAnswers: a call to a tracking number is answered by a softphone in
// Chromium, by SIP over WebSocket, ICE and DTLS-SRTP, while the caller is a plain
// phone. Each hears the other, and the recording has both.
func TestBrowserAnswers(t *testing.T) {
	const host, callerHz, browserHz = "127.0.81.1", 1000, 600
	a := newAuthority(t)
	cert, key := a.issue(t, "ringdown", "IP:"+host)
	socket := freePort(t, host)
	t.Setenv("BROWSER_PASSWORD", "looking-glass")
	n := newNode(t, plan{
		Host: host, Sources: `"127.0.81.2"`, Listen: fmt.Sprintf(`, "wss://%s"`, socket), Secure: fmt.Sprintf(`{cert: %q, key: %q}`, cert, key),
		Trunks: "  - {id: phones, webrtc: true, auth: {realm: phones.example, users: [{name: alice, password: env:BROWSER_PASSWORD}]}, registrar: {contacts: 1}}\n",
		To:     "{user: alice, trunk: phones}",
	})
	n.start(t)
	b := newBrowser(t, host, socket, "phones.example", "alice", "looking-glass", browserHz)
	b.reports(t, "registered", time.Minute, text("SIP/2.0 200 OK"))

	caller := newPhone(t, siptest.Config{User: "carrier", Codecs: []siptest.Codec{siptest.PCMA}, Play: siptest.Tone(callerHz)}, "127.0.81.2:0")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c, err := caller.Call(ctx, n.uri(), siptest.CallOptions{})
	if err == nil {
		err = c.Answered(ctx)
	}
	if err != nil {
		t.Fatalf("%v; serve said\n%s", err, n.out.tail())
	}
	b.reports(t, "connection", limit, text("connected"))
	b.reports(t, "heard", limit, func(r json.RawMessage) bool {
		var h earful
		return json.Unmarshal(r, &h) == nil && math.Abs(h.Hz-callerHz) < 20 && h.DB > -60 && h.Packets > 100
	})
	eventually(t, limit, "the caller to hear the browser", func() bool {
		s := c.Heard().Samples
		return len(s) > 2*rate && share(s[len(s)-frame:], browserHz) > 0.9
	})
	time.Sleep(3 * time.Second) // a talk
	if err := c.Hangup(ctx); err != nil {
		t.Error(err)
	}
	b.reports(t, "bye", limit, func(json.RawMessage) bool { return true })
	s := n.settled(t, 1)[0]
	s.completed(t)
	sound := n.export(t, s, filepath.Join(t.TempDir(), "browser.wav"))
	for i, hz := range []float64{callerHz, browserHz} {
		middle := len(sound[i]) / 2
		if p := share(sound[i][middle:middle+frame], hz); p < 0.9 {
			t.Errorf("channel %d of the recording: %.2f of it is the tone of %v Hz", i+1, p, hz)
		}
	}
	n.stop(t)
}
