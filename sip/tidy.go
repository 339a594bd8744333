package sip

import (
	"bytes"
	"strings"
)

// spaced are the headers in which RFC 3261 allows white space around the
// separators; sipgo takes it for part of the names.
var spaced = []struct{ name, separators string }{
	{"via", ";=,/:"}, {"v", ";=,/:"}, {"from", ";="}, {"f", ";="}, {"to", ";="}, {"t", ";="},
	{"contact", ";=,"}, {"m", ";=,"}, {"route", ";=,"}, {"record-route", ";=,"}, {"cseq", ""},
}

// tidy unfolds the headers of a screened message and takes optional white space
// out of the ones above (RFC 3261 7.3.1, 25.1), so that there is one way to read
// them. A message that needs nothing is returned as it is.
func tidy(b []byte, s screened) ([]byte, screened) {
	head := b[:s.head-2]
	if !untidy(head) {
		return b, s
	}
	out := make([]byte, 0, len(b))
	start, rest := cutLine(head)
	out = append(append(out, start...), "\r\n"...)
	for len(rest) > 0 {
		var line []byte
		line, rest = cutLine(rest)
		name, value, _ := cutHeader(line)
		out = append(append(out, name...), ": "...)
		out = append(appendTidy(out, name, value), "\r\n"...)
	}
	out = append(out, "\r\n"...)
	n := len(out)
	out = append(out, b[s.head:s.end]...)
	return out, screened{head: n, end: len(out)}
}

// untidy looks for what would have to be changed.
func untidy(head []byte) bool {
	for i := 1; i < len(head); i++ {
		switch c := head[i]; {
		case c == '\t':
			return true
		case c != ' ':
		case head[i-1] == '\n', head[i-1] == ' ', head[i-1] == ';', head[i-1] == '=':
			return true
		case i+1 < len(head) && (head[i+1] == ';' || head[i+1] == '=' || head[i+1] == '/' || head[i+1] == ':'):
			return true
		}
	}
	return false
}

// appendTidy writes value unfolded; in a spaced header without the optional white space.
func appendTidy(out, name, value []byte) []byte {
	structured, separators := false, ""
	for _, s := range spaced {
		if is(name, s.name) {
			structured, separators = true, s.separators
		}
	}
	free := func(c byte) bool { return strings.IndexByte(separators, c) >= 0 } // white space beside c means nothing
	quoted := false
	for i := 0; i < len(value); i++ {
		c := value[i]
		if quoted && c == '\\' && i+1 < len(value) && value[i+1] >= ' ' {
			out = append(out, c, value[i+1])
			i++
			continue
		}
		if c == '"' {
			quoted = !quoted
		}
		if quoted || c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			if c != '\r' && c != '\n' {
				out = append(out, c)
			}
			continue
		}
		j := i
		for j+1 < len(value) && bytes.IndexByte([]byte(" \t\r\n"), value[j+1]) >= 0 {
			j++
		}
		folded := bytes.IndexByte(value[i:j+1], '\n') >= 0
		switch {
		case structured && (free(out[len(out)-1]) || j+1 < len(value) && free(value[j+1])):
		case structured || folded:
			out = append(out, ' ')
		default:
			out = append(out, value[i:j+1]...)
		}
		i = j
	}
	return out
}
