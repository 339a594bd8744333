package sip

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// maxContacts is how many contacts of a 3xx are read.
const maxContacts = 8

// movedTo reads where a 300, 301 or 302 leads, by falling q (RFC 3261 8.1.3.4).
// The others ask for something that is not done: a 305 for a proxy, a 380 for
// another service. Of each URI nothing is kept but user, host, port and
// transport; nil when nothing is left.
func movedTo(res *gosip.Response) *call.Redirected {
	if res.StatusCode < 300 || res.StatusCode > 302 {
		return nil
	}
	type contact struct {
		uri string
		q   float64
	}
	var all []contact
	for _, h := range res.GetHeaders("contact") {
		c, ok := h.(*gosip.ContactHeader)
		if !ok || len(all) == maxContacts {
			continue
		}
		if uri, ok := plainURI(c.Address); ok {
			all = append(all, contact{uri, quality(c)})
		}
	}
	slices.SortStableFunc(all, func(a, b contact) int { return cmp.Compare(b.q, a.q) })
	var to []string
	for _, c := range all {
		to = append(to, c.uri)
	}
	if len(to) == 0 {
		return nil
	}
	return &call.Redirected{To: to}
}

// plainURI is a contact's URI as one of ours.
func plainURI(u gosip.Uri) (string, bool) {
	plain := gosip.Uri{Scheme: "sip", User: u.User, Host: u.Host, Port: u.Port}
	if u.Scheme != "sip" || u.Wildcard || strings.ContainsAny(u.User, "@;?:") {
		return "", false
	}
	if t, ok := u.UriParams.Get("transport"); ok {
		if t = strings.ToLower(t); t != "udp" && t != "tcp" && t != "tls" {
			return "", false
		}
		plain.UriParams = gosip.HeaderParams{{K: "transport", V: t}}
	}
	text := plain.String()
	_, err := parseTarget(text)
	return text, err == nil
}

// quality is a contact's q, 1 without one that can be read.
func quality(c *gosip.ContactHeader) float64 {
	text, ok := c.Params.Get("q")
	q, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil || !(q >= 0 && q <= 1) {
		return 1
	}
	return q
}

// contactHeaders tell a caller where to go instead: the URIs alone.
func contactHeaders(c call.Cause, status int) (headers []gosip.Header) {
	if status < 300 || status > 399 || c.Redirect == nil {
		return nil
	}
	for _, to := range c.Redirect.To {
		if uri, err := parseTarget(to); err == nil {
			headers = append(headers, &gosip.ContactHeader{Address: uri})
		}
	}
	return headers
}
