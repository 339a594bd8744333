package routing

import (
	"fmt"
	"slices"
	"strings"
)

// Headers lists the headers that cross a trunk; no other does. In: their values
// go into the call's events and are kept for the calls out. Out: kept ones go on
// through this trunk. Names are written as they go out, User-to-User (RFC 7433)
// or X- and a token.
type Headers struct {
	In  []string `yaml:"in"`
	Out []string `yaml:"out"`
}

// maxCrossing is how many headers may be listed either way.
const maxCrossing = 16

const (
	userToUser    = "User-to-User"
	maxHeaderName = 64
)

func (b *builder) headers(h Headers, path string) {
	for _, way := range []struct {
		name  string
		names []string
	}{{"in", h.In}, {"out", h.Out}} {
		at := fmt.Sprintf("%s.headers.%s", path, way.name)
		if len(way.names) > maxCrossing {
			b.fault(fmt.Sprintf("holds more than %d names", maxCrossing), "%s", at)
		}
		for i, name := range way.names {
			msg := checkHeader(name)
			if slices.ContainsFunc(way.names[:i], func(s string) bool { return strings.EqualFold(s, name) }) {
				msg = "is there twice"
			}
			b.fault(msg, "%s[%d]", at, i)
		}
	}
}

func checkHeader(name string) string {
	rest, named := cutPrefixFold(name, "x-")
	switch {
	case strings.EqualFold(name, userToUser):
		return ""
	case named && rest != "" && len(name) <= maxHeaderName && strings.Trim(strings.ToLower(rest), "abcdefghijklmnopqrstuvwxyz0123456789-_") == "":
		return ""
	}
	return "is not User-to-User or an X- header: letters, digits, - and _"
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
