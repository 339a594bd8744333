package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener without a network.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: p.dial}}
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return c.Do(r)
}

// A client that follows gets each line when it is told, is not cut by the
// limits of ordinary requests, and a clean end when the node goes.
func TestFollowUntilGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newWorld()
		s, l := o.server(t), newPipes()
		told := make(chan string)
		s.deps.Events = func(ctx context.Context, _ EventFilter, _ bool, emit func(raw) error) error {
			for {
				select {
				case e := <-told:
					if err := emit(raw(e)); err != nil {
						return err
					}
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- s.Run(ctx, l) }()
		client := l.client()
		res, err := get(t, client, "http://node/v1/events?follow=true")
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(res.Body)
		for _, e := range []string{`{"seq":1}`, `{"seq":2}`, `{"seq":3}`} {
			time.Sleep(10 * time.Minute) // in the bubble: longer than every limit
			told <- e
			if line, err := lines.ReadString('\n'); err != nil || line != e+"\n" {
				t.Fatalf("%q %v, want %s", line, err, e)
			}
		}
		start := time.Now()
		stop()
		if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
			t.Errorf("the end: %q %v", rest, err)
		}
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited > farewellWait {
			t.Errorf("said goodbye for %v", waited)
		}
		client.CloseIdleConnections()
	})
}

func TestClientThatTakesNothingIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newWorld()
		o.wav = make([]byte, 8<<20)
		s, l := o.server(t), newPipes()
		cut := make(chan time.Time, 1)
		s.deps.Recordings = cutShelf{(*shelf)(o), cut}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- s.Run(ctx, l) }()
		client := l.client()
		start := time.Now()
		res, err := get(t, client, "http://node/v1/recordings/"+rec1+"/audio")
		if err != nil {
			t.Fatal(err)
		}
		if at := <-cut; at.Sub(start) > 2*writeWait {
			t.Errorf("cut after %v", at.Sub(start))
		}
		res.Body.Close()
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		client.CloseIdleConnections()
	})
}

// cutShelf tells when an export failed.
type cutShelf struct {
	*shelf
	cut chan time.Time
}

func (c cutShelf) ExportWAV(ctx context.Context, id string, w io.Writer) error {
	err := c.shelf.ExportWAV(ctx, id, w)
	if err != nil {
		c.cut <- time.Now()
	}
	return err
}

func TestGoodbyeCutsWhatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := newWorld().server(t), newPipes()
		inside := make(chan struct{})
		s.deps.Events = func(ctx context.Context, _ EventFilter, _ bool, _ func(raw) error) error {
			close(inside)
			<-ctx.Done() // only the cut ends it
			return ctx.Err()
		}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- s.Run(ctx, l) }()
		client := l.client()
		asked := make(chan error)
		go func() {
			res, err := get(t, client, "http://node/v1/events")
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			asked <- err
		}()
		<-inside
		start := time.Now()
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited != farewellWait {
			t.Errorf("waited %v", waited)
		}
		if err := <-asked; err == nil {
			t.Error("an answer that was cut looks whole")
		}
		client.CloseIdleConnections()
	})
}

func TestHalfAnAnswerBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newWorld()
		o.wav, o.fault, o.faultAfter = make([]byte, 1<<20), ErrDamaged, 1<<19
		s, l := o.server(t), newPipes()
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- s.Run(ctx, l) }()
		client := l.client()
		for _, path := range []string{"/v1/recordings/" + rec1 + "/audio", "/v1/events"} {
			res, err := get(t, client, "http://node"+path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %d, then %v", path, res.StatusCode, err)
			}
			res.Body.Close()
		}
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		client.CloseIdleConnections()
	})
}

func TestLostListenerIsAnError(t *testing.T) {
	s, l := newWorld().server(t), newPipes()
	l.Close()
	if err := s.Run(t.Context(), l); err == nil || !strings.HasPrefix(err.Error(), "http: ") {
		t.Error(err)
	}
}

func TestTLSVersions(t *testing.T) {
	pair := pemFiles(t)
	s := newWorld().server(t, func(c *Config) { c.TLS = pair })
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		here, there := net.Pipe()
		go func() { // ends with the pipe
			c := tls.Server(there, s.cert)
			c.Handshake()
			there.Close()
		}()
		c := tls.Client(here, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if err := c.HandshakeContext(t.Context()); (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		here.Close()
	}
}

func TestServesTLS(t *testing.T) {
	pair := pemFiles(t)
	s := newWorld().server(t, func(c *Config) { c.TLS = pair })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- s.Run(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := get(t, client, "https://"+l.Addr().String()+"/v1/version")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 || res.TLS == nil {
		t.Error(res.Status)
	}
	client.CloseIdleConnections()
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
