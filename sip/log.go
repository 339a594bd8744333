package sip

import (
	"context"
	"log/slog"
)

// redacted is the logger that sipgo's transactions get: its errors carry whole
// messages, so only its own fixed words pass, and no attribute.
type redacted struct{ slog.Handler }

// Enabled lets warnings and errors through; the rest tells of every message.
func (r redacted) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && r.Handler.Enabled(ctx, l)
}

func (r redacted) Handle(ctx context.Context, rec slog.Record) error {
	out := slog.NewRecord(rec.Time, rec.Level, "sipgo: "+rec.Message, 0)
	return r.Handler.Handle(ctx, out)
}

func (r redacted) WithAttrs([]slog.Attr) slog.Handler { return r }
func (r redacted) WithGroup(string) slog.Handler      { return r }
