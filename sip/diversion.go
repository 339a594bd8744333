package sip

import (
	"slices"
	"strconv"
	"strings"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// maxDiversions is what a count of diversions is cut to: more is a loop or a lie.
const maxDiversions = 99

// diversionReasons are the words of RFC 5806 4, and those that RFC 4458 codes
// stand for. Anything else is unknown.
var diversionReasons = []string{"unconditional", "user-busy", "no-answer", "unavailable", "time-of-day", "do-not-disturb",
	"deflection", "follow-me", "out-of-service", "away", "unknown"}

// diversionCodes are the cause codes of a History-Info entry (RFC 4458 2) as
// words of a Diversion (RFC 7544 6).
var diversionCodes = map[int]string{
	302: "unconditional", 404: "unknown", 408: "no-answer", 480: "deflection", 486: "user-busy", 487: "deflection", 503: "unavailable",
}

// diversion says that the number called sent the call on. before is how often
// it had been sent on already (RFC 5806 9).
func diversion(number gosip.Uri, before int) string {
	return "<" + number.String() + ">;reason=unconditional;counter=" + strconv.Itoa(min(before+1, maxDiversions)) + ";privacy=off;screen=no"
}

// historyInfo tells the same in the newer way: the call was for number, which
// maps to target (RFC 7044 7, RFC 4458, RFC 7544).
func historyInfo(number, target gosip.Uri) string {
	to := withoutParams(target)
	to.UriParams = append(slices.Clone(to.UriParams), gosip.HeaderKV{K: "cause", V: "302"})
	return "<" + number.String() + ">;index=1, <" + to.String() + ">;index=1.1;mp=1"
}

// diverted reads who had sent a call on before it came: how often, and why the
// last time. Whose number it was is not kept: it belongs to somebody who is no
// party of the call.
func diverted(req *gosip.Request) call.Diverted {
	var d call.Diverted
	for value := range headerValues(req, "diversion") {
		params := diversionParams(value)
		n, err := strconv.Atoi(params["counter"])
		if err != nil || n < 1 || n > maxDiversions {
			n = 1
		}
		if d.Count == 0 { // the topmost is the latest (RFC 5806 7)
			d.Reason = reasonWord(params["reason"])
		}
		d.Count = min(d.Count+n, maxDiversions)
	}
	if d.Count > 0 {
		return d
	}
	for value := range headerValues(req, "history-info") {
		if word, ok := diversionCodes[historyCause(value)]; ok { // entries stand in order: the last is the latest
			d = call.Diverted{Count: min(d.Count+1, maxDiversions), Reason: word}
		}
	}
	return d
}

// headerValues goes through all values of a list header.
func headerValues(req *gosip.Request, name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, h := range req.GetHeaders(name) {
			for rest := h.Value(); rest != ""; {
				var value string
				value, rest = cutValue(rest)
				if value = strings.TrimSpace(value); value != "" && !yield(value) {
					return
				}
			}
		}
	}
}

// diversionParams are the parameters behind the address of a value.
func diversionParams(value string) map[string]string {
	_, after, found := cutAddress(value)
	out := map[string]string{}
	if !found {
		return out
	}
	for p := range strings.SplitSeq(after, ";") {
		k, v, _ := strings.Cut(p, "=")
		out[strings.ToLower(strings.TrimSpace(k))] = strings.ToLower(strings.Trim(strings.TrimSpace(v), `"`))
	}
	return out
}

// cutAddress takes a name-addr apart into the URI in its brackets and what
// stands behind them.
func cutAddress(value string) (uri, after string, found bool) {
	quoted := false
	open := -1
	for i := range len(value) {
		switch c := value[i]; {
		case c == '"' && (i == 0 || value[i-1] != '\\') && open < 0:
			quoted = !quoted
		case quoted:
		case c == '<' && open < 0:
			open = i
		case c == '>' && open >= 0:
			return value[open+1 : i], value[i+1:], true
		}
	}
	return "", "", false
}

func reasonWord(s string) string {
	if slices.Contains(diversionReasons, s) {
		return s
	}
	return "unknown"
}

// historyCause is the cause parameter of an entry's URI, 0 when there is none.
func historyCause(value string) int {
	uri, _, _ := cutAddress(value)
	uri, _, _ = strings.Cut(uri, "?")
	for p := range strings.SplitSeq(uri, ";") {
		if k, v, _ := strings.Cut(p, "="); strings.EqualFold(k, "cause") {
			n, err := strconv.Atoi(v)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}
