package natsbus

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startServer starts the embedded broker: JetStream on the disk, encrypted, and
// synced by settle before an event counts as delivered. Without Listen it has no
// socket at all.
func startServer(cfg Config, log *slog.Logger) (*server.Server, error) {
	if len(cfg.Key) != 32 {
		return nil, errors.New("natsbus: key: must be 32 bytes")
	}
	key := hex.EncodeToString(cfg.Key)
	opts := &server.Options{
		ServerName:             "ringdown",
		DontListen:             cfg.Listen == "",
		NoSigs:                 true,
		JetStream:              true,
		StoreDir:               cfg.Dir,
		JetStreamKey:           key,
		JetStreamCipher:        server.AES,
		JetStreamMaxStore:      cfg.MaxBytes + cfg.MaxBytes/4,
		JetStreamMaxMemory:     64 << 20,
		DisableJetStreamBanner: true,
	}
	if cfg.Listen != "" {
		host, port, err := net.SplitHostPort(cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("natsbus: listen: %w", err)
		}
		if opts.Port, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("natsbus: listen: %w", err)
		}
		if opts.Port == 0 {
			opts.Port = server.RANDOM_PORT
		}
		opts.Host, opts.Authorization = host, cfg.Token
		if cfg.Cert != "" {
			pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.CertKey)
			if err != nil {
				return nil, fmt.Errorf("natsbus: cert: %w", err)
			}
			opts.TLS, opts.TLSConfig = true, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		}
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("natsbus: embedded broker: %w", err)
	}
	l := &serverLog{log: log, secrets: []string{key}}
	if cfg.Token != "" {
		l.secrets = append(l.secrets, cfg.Token)
	}
	s.SetLoggerV2(l, false, false, false)
	s.Start()
	if l.fatal() == nil && !s.ReadyForConnections(10*time.Second) {
		err = errors.New("not ready in 10 s")
	}
	if err = errors.Join(err, l.fatal()); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		if cfg.Listen != "" && strings.Contains(err.Error(), "listen") { // its words are all we are given
			return nil, fmt.Errorf("nats.listen %s: %w", cfg.Listen, err)
		}
		return nil, fmt.Errorf("natsbus: embedded broker: %w", err)
	}
	return s, nil
}

// serverLog is the embedded broker's log. What it says when all is well is only
// for who asks for debugging; our secrets are taken out of every line.
type serverLog struct {
	log     *slog.Logger
	secrets []string

	mu  sync.Mutex
	err error
}

func (l *serverLog) text(format string, v []any) string {
	s := fmt.Sprintf(format, v...)
	for _, secret := range l.secrets {
		s = strings.ReplaceAll(s, secret, "[redacted]")
	}
	return s
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("nats: embedded broker", "text", l.text(format, v))
}

func (l *serverLog) Warnf(format string, v ...any) {
	l.log.Warn("nats: embedded broker", "text", l.text(format, v))
}

func (l *serverLog) Errorf(format string, v ...any) {
	l.log.Error("nats: embedded broker", "text", l.text(format, v))
}

func (l *serverLog) Debugf(format string, v ...any) {}
func (l *serverLog) Tracef(format string, v ...any) {}

// Fatalf keeps what would have ended a broker of its own.
func (l *serverLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, errors.New(l.text(format, v)))
}

func (l *serverLog) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
