package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"encoding/pem"

	"ringdown/routing"
)

var question = Question{
	ID: "call_1-2", Call: "call_1", Account: "demo", Flow: "sales", Step: "flows.sales[0].hook",
	At: time.Date(2026, 11, 22, 9, 30, 0, 123e6, time.UTC), Trunk: "carrier", Subject: "sub_1", Masked: "+47*****12",
	Caller: "+4799999912", Number: "+4721000001", Attribution: map[string]string{"source": "ads"}, Tags: map[string]string{"lang": "no"},
}

// tripper answers requests in memory.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func says(status int, body string) tripper {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func asker(web http.RoundTripper, nats Request) *Asker {
	return &Asker{web: web, nats: nats, log: slog.New(slog.DiscardHandler), hooks: map[hookKey]*state{}}
}

var byWeb = &routing.Hooked{URL: "https://owner.example/route", Secret: routing.NewSecret("env:X", "s3cret")}

// The specification's own example of a signature.
func TestSignatureVector(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	at := time.Unix(1614265330, 0)
	body := []byte(`{"test": 2432232314}`)
	h := sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
	if got := h[headerSignature]; got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error("got", got)
	}
	id := h[headerID]
	if !verify(secret, id, h, body, at.Add(tolerance)) {
		t.Error("our own signature does not hold")
	}
	h[headerSignature] = "v1,AAAA " + h[headerSignature]
	if !verify(secret, id, h, body, at) {
		t.Error("the second of two signatures is not looked at")
	}
	for what, holds := range map[string]bool{
		"another id":     verify(secret, "msg_2", h, body, at),
		"another body":   verify(secret, id, h, append(body, ' '), at),
		"another secret": verify("s", id, h, body, at),
		"too old":        verify(secret, id, h, body, at.Add(tolerance+time.Second)),
		"unsigned":       verify(secret, id, map[string]string{headerID: id, headerTimestamp: h[headerTimestamp]}, body, at),
	} {
		if holds {
			t.Errorf("%s: the signature holds", what)
		}
	}
}

// What goes out, over a real TLS connection: signed, and no more than the step sends.
func TestAskOverHTTPS(t *testing.T) {
	var got atomic.Pointer[http.Request]
	var body atomic.Pointer[[]byte]
	owner := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Store(r)
		body.Store(&b)
		io.WriteString(w, `{"dial": {"targets": [{"number": "+4722000000", "trunk": "carrier", "timeout": "PT9S"}], "timeout": "PT20S"}, "tags": {"vip": "yes"}}`)
	}))
	defer owner.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: owner.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := New(Config{Networks: []string{"127.0.0.0/8"}, CA: ca}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	h := *byWeb
	h.URL, h.Send = owner.URL, []string{routing.SendNumber}
	reply, err := a.Ask(t.Context(), &h, question)
	if err != nil {
		t.Fatal(err)
	}
	if len(reply.Targets) != 1 || reply.Targets[0].Number != "+4722000000" || reply.Targets[0].Timeout != routing.Seconds(9) || reply.Timeout != 20*time.Second || reply.Tags["vip"] != "yes" {
		t.Errorf("got %+v", reply)
	}
	signed := map[string]string{}
	for _, name := range []string{headerID, headerTimestamp, headerSignature} {
		signed[name] = got.Load().Header.Get(name)
	}
	if !verify("s3cret", "call_1-2", signed, *body.Load(), time.Now()) {
		t.Error("the question is not signed")
	}
	var q map[string]any
	if err := json.Unmarshal(*body.Load(), &q); err != nil {
		t.Fatal(err)
	}
	caller := q["caller"].(map[string]any)
	if q["tracking_number"] != "+4721000001" || q["attribution"] != nil || caller["number"] != nil || caller["subject"] != "sub_1" || q["time"] != "2026-11-22T09:30:00.123Z" {
		t.Errorf("asked %s", *body.Load())
	}

	// Without the network in the configuration nobody on this machine is asked.
	a, err = New(Config{CA: ca}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Ask(t.Context(), &h, question); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "hooks.networks") {
		t.Errorf("loopback: got %v", err)
	}
}

func TestOnlyPublicAddresses(t *testing.T) {
	allowed := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1": true, "10.1.2.3": true,
		"10.2.0.1": false, "127.0.0.1": false, "169.254.169.254": false, "100.64.0.1": false, "192.168.1.1": false, "0.0.0.0": false,
		"::1": false, "fe80::1": false, "fd00::1": false, "224.0.0.1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false,
		"64:ff9b::a00:1%eth0": false, "2002:a00:1::%eth0": false, "::127.0.0.1": false, "::ffff:127.0.0.1": false, "::ffff:0:7f00:1": false,
		"fec0::1": false, "3fff::1": false, "5f00::1": false, "2001::1": false, "192.88.99.1": false, "4000::1": false, "fe80::1%eth0": false,
		"2606:4700::1%eth0": true, "::ffff:10.1.2.3": true, "::ffff:8.8.8.8": true,
	} {
		if got := mayAsk(netip.MustParseAddr(addr), allowed); got != want {
			t.Errorf("%s: got %v", addr, got)
		}
	}
}

func TestNoReply(t *testing.T) {
	for name, c := range map[string]struct {
		web  tripper
		want error
	}{
		"error status":  {says(500, ""), ErrRefused},
		"redirection":   {says(302, `{"continue": true}`), ErrRefused},
		"no JSON":       {says(200, "<html>"), ErrInvalid},
		"too long":      {says(200, `{"flow": "`+strings.Repeat("x", MaxReply)+`"}`), ErrInvalid},
		"no connection": {func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }, ErrUnreachable},
	} {
		if _, err := asker(c.web, nil).Ask(t.Context(), byWeb, question); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := asker(says(204, ""), nil).Ask(t.Context(), byWeb, question); err != nil {
		t.Error("204 does not mean to go on:", err)
	}
	if _, err := asker(nil, nil).Ask(t.Context(), &routing.Hooked{Subject: "owner"}, question); Word(err) != "unreachable" {
		t.Error("without a broker:", err)
	}
}

// silent owners do not answer; the caller waits for the deadline and no longer,
// and after five of them for nothing, until one question finds them back.
func TestSilentOwnerIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked int
		back := false
		a := asker(tripper(func(r *http.Request) (*http.Response, error) {
			asked++
			if back {
				return says(200, `{"continue": true}`)(r)
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		}), nil)
		ask := func() (took time.Duration, err error) {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err = a.Ask(ctx, byWeb, question)
			return time.Since(began), err
		}
		for range failures {
			if took, err := ask(); !errors.Is(err, ErrTimeout) || took != 2*time.Second {
				t.Fatalf("got %v after %s", err, took)
			}
		}
		if took, err := ask(); !errors.Is(err, ErrResting) || took != 0 {
			t.Fatalf("got %v after %s", err, took)
		}
		time.Sleep(restFor)
		if _, err := ask(); !errors.Is(err, ErrTimeout) {
			t.Fatal("nobody looks whether it is back:", err)
		}
		if _, err := ask(); !errors.Is(err, ErrResting) {
			t.Fatal("one more failure does not make it rest again:", err)
		}
		time.Sleep(restFor)
		back = true
		for range 3 {
			if _, err := ask(); err != nil {
				t.Fatal("it is back:", err)
			}
		}
		if asked != failures+4 {
			t.Errorf("asked %d times", asked)
		}
	})
}

func TestNoMoreThanItCanTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := asker(tripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}), nil)
		ctx, cancel := context.WithCancel(t.Context())
		for range atOnce {
			go a.Ask(ctx, byWeb, question)
		}
		synctest.Wait()
		if _, err := a.Ask(ctx, byWeb, question); !errors.Is(err, ErrCrowded) {
			t.Error("got", err)
		}
		cancel()
		synctest.Wait()
	})
}

func TestReplyOverNATSIsSigned(t *testing.T) {
	h := &routing.Hooked{Subject: "owner.route", Secret: byWeb.Secret}
	body := []byte(`{"flow": "support"}`)
	for name, c := range map[string]struct {
		header map[string]string
		want   error
	}{
		"signed":               {sign("s3cret", question.ID, time.Now(), body), nil},
		"not signed":           {nil, ErrUnsigned},
		"for another question": {sign("s3cret", "call_1-3", time.Now(), body), ErrUnsigned},
		"by somebody else":     {sign("other", question.ID, time.Now(), body), ErrUnsigned},
	} {
		a := asker(nil, func(_ context.Context, subject string, header map[string]string, q []byte) ([]byte, map[string]string, error) {
			if subject != "owner.route" || !verify("s3cret", question.ID, header, q, time.Now()) {
				t.Error("the question is not signed, or goes elsewhere")
			}
			return body, c.header, nil
		})
		reply, err := a.Ask(t.Context(), h, question)
		if !errors.Is(err, c.want) || err == nil && reply.Flow != "support" {
			t.Errorf("%s: got %+v, %v", name, reply, err)
		}
	}
}

func TestReadReply(t *testing.T) {
	for text, want := range map[string]string{
		`{"continue": true}`:                          "",
		`{"flow": "support", "tags": {"a": "b"}}`:     "",
		`{"refuse": true}`:                            "",
		`{"dial": {"targets": [{"uri": "sip:a@b"}]}}`: "",
		`{}`:                                  "exactly one of",
		`{"tags": {"a": "b"}}`:                "exactly one of",
		`{"flow": "a", "refuse": true}`:       "exactly one of",
		`{"flwo": "support"}`:                 "not known",
		`{"flow": 7}`:                         "wrong type",
		`{"continue": true} {"refuse": true}`: "behind it",
		`{"continue": tr`:                     "ends too early",
		`nonsense`:                            "no JSON",
		`{"dial": {"targets": []}}`:           "1 to 16",
		`{"dial": {"targets": [{}], "timeout": "P1M"}}`:    "months",
		`{"dial": {"targets": [{}], "timeout": "secret"}}`: "not known",
	} {
		_, err := ReadReply([]byte(text))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", text, err, want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the error repeats what was read", text)
		}
	}
}

func FuzzReadReply(f *testing.F) {
	for _, s := range []string{`{"continue": true}`, `{"flow": "a", "tags": {"b": "c"}}`, `{"dial": {"targets": [{"number": "+4721000001", "trunk": "x"}], "timeout": "PT3S"}}`, `{"refuse": true}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadReply(b)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || bytes.Contains(b, []byte("\x00")) && strings.Contains(err.Error(), "\x00") {
				t.Fatalf("got %v", err)
			}
			return
		}
		if r.Refuse && (r.Flow != "" || r.Targets != nil) || r.Flow != "" && r.Targets != nil || len(r.Targets) > maxTargets || r.Timeout < 0 {
			t.Fatalf("it says several things: %+v", r)
		}
	})
}

func TestConfigFaults(t *testing.T) {
	var said []string
	Config{Networks: []string{"10.0.0.0/8", "10.0.0.1"}, CA: filepath.Join(t.TempDir(), "none")}.Validate(func(path, msg string) { said = append(said, path) })
	if strings.Join(said, " ") != "networks[1] ca" {
		t.Error("got", said)
	}
}

// What the callers of one account meet, or do, is no matter of another's: not whose
// hook rests, and not when its callers hang up while it is asked.
func TestHookRestsForItsAccountAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := false
		a := asker(tripper(func(r *http.Request) (*http.Response, error) {
			if back {
				return says(200, `{"continue": true}`)(r)
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		}), nil)
		other := question
		other.Account = "other"
		ask := func(q Question, wait time.Duration, hangsUp bool) error {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			if hangsUp {
				time.AfterFunc(wait/2, cancel)
			}
			_, err := a.Ask(ctx, byWeb, q)
			return err
		}
		for range 2 * failures {
			if err := ask(question, time.Second, true); !errors.Is(err, ErrTimeout) {
				t.Fatal("a caller who hangs up:", err)
			}
		}
		for range failures {
			if err := ask(question, time.Second, false); !errors.Is(err, ErrTimeout) {
				t.Fatal("callers who hung up made it rest:", err)
			}
		}
		back = true
		if err := ask(question, time.Second, false); !errors.Is(err, ErrResting) {
			t.Fatal("it does not rest:", err)
		}
		if err := ask(other, time.Second, false); err != nil {
			t.Error("it rests for another account:", err)
		}
	})
}

// A node whose tables change for years knows the hooks it has to.
func TestHooksAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := asker(tripper(func(r *http.Request) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/ill") {
				return says(500, "")(r)
			}
			return says(200, `{"continue": true}`)(r)
		}), nil)
		ask := func(path string) {
			a.Ask(t.Context(), &routing.Hooked{URL: "https://owner.example/" + path}, question)
		}
		for range failures {
			ask("ill")
		}
		for i := range 20 * fewHooks {
			ask(fmt.Sprint("well", i))
			if n := len(a.hooks); n > fewHooks+2 {
				t.Fatalf("%d hooks are known", n)
			}
		}
		ill := hookKey{question.Account, "https://owner.example/ill"}
		if a.hooks[ill] == nil {
			t.Error("the one that rests is forgotten")
		}
		time.Sleep(forgottenAfter + restFor + time.Second)
		for i := range 2 * fewHooks {
			ask(fmt.Sprint("later", i))
		}
		if a.hooks[ill] != nil {
			t.Error("one that failed long ago is remembered")
		}
	})
}
