package relay

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"ringdown/media/mediatest"
)

// TestChoice: which engine a pool has, that it says so once, and that a kernel
// asked for by name and not to be had is no start.
func TestChoice(t *testing.T) {
	missing := errors.New("needs CAP_BPF")
	for _, c := range []struct {
		engine string
		err    error
		want   Engine
		fails  string
	}{
		{engineAuto, nil, Engine{engineKernel, "works on lo"}, ""},
		{engineAuto, missing, Engine{enginePortable, "needs CAP_BPF"}, ""},
		{engineKernel, nil, Engine{engineKernel, "works on lo"}, ""},
		{engineKernel, missing, Engine{}, "media.engine: kernel was asked for: needs CAP_BPF"},
		{enginePortable, nil, Engine{enginePortable, "asked for by media.engine"}, ""},
	} {
		var log bytes.Buffer
		p := &Pool{engine: engine{log: slog.New(slog.NewTextHandler(&log, nil))}}
		var asked pathOptions
		cfg := Config{Engine: c.engine, Interfaces: []string{"lo"}, Ports: "20000-20019"}
		cfg.Defaults()
		p.homes = cfg.homes()
		err := p.choose(cfg, false, func(o pathOptions) (fastPath, string, error) {
			asked = o
			if c.err != nil {
				return nil, "", c.err
			}
			return newFakeKernel(mediatest.NewNetwork(1, mediatest.Link{})), "works on lo", nil
		})
		if got := p.Engine(); got != c.want || (p.offload != nil) != (c.want.Name == engineKernel) {
			t.Errorf("%s, %v: %+v", c.engine, c.err, got)
		}
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || err.Error() != c.fails) {
			t.Errorf("%s, %v: %v", c.engine, c.err, err)
		}
		lines := strings.Count(log.String(), "\n")
		if c.fails != "" && lines != 0 || c.fails == "" && (lines != 1 || !strings.Contains(log.String(), "engine="+c.want.Name)) {
			t.Errorf("%s, %v: log\n%s", c.engine, c.err, log.String())
		}
		if c.engine != enginePortable && (len(asked.interfaces) != 1 || asked.flows != 10 || asked.deliver == nil) {
			t.Errorf("%s: opened with %+v", c.engine, asked)
		}
	}
}

// The reason of the kernel engine says that packets pass below the packet filter.
func TestWorksOn(t *testing.T) {
	for want, names := range map[string][]string{
		"works on no interface yet, below the host's packet filter": nil,
		"works on lo, wan0, below the host's packet filter":         {"lo", "wan0"},
	} {
		if got := worksOn(names); got != want {
			t.Errorf("%q: %q", names, got)
		}
	}
}
