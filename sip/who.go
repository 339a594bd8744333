package sip

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/routing"
	"ringdown/sip/digest"
)

// evidence is what a request shows of the trunk it belongs to; each is a
// trunk's id or empty.
type evidence struct {
	certificate string // names of the verified certificate on its connection
	digest      string // a password that was proven
	user        string // whose it is
	source      string // the address it came from
}

// trunk weighs the evidence: what cannot be had without a key goes before what
// cannot be had without a password, and that before an address, which over UDP
// anybody can write. It is the one place that decides who calls.
func (v evidence) trunk() string { return cmp.Or(v.certificate, v.digest, v.source) }

// maxAuthorizations bounds how many Authorization headers of a request are read.
const maxAuthorizations = 4

// identify finds the trunk of a request outside any dialog and reports whether
// it may go on; otherwise it was challenged, or gets silence.
func (e *Endpoint) identify(in *incoming) bool {
	v := evidence{certificate: in.from.certified(), source: in.from.addressed()}
	if !isWeb(in.from.network) {
		v.source = cmp.Or(e.calledAs(in), v.source)
	}
	verdict := e.prove(in, &v)
	if in.trunk = v.trunk(); v.digest == in.trunk {
		in.user = v.user
	}
	p, _ := e.deps.Policy(in.trunk)
	switch {
	case in.trunk == "":
		return e.challengeStranger(in, verdict)
	case len(p.Auth.Users) == 0, v.digest == in.trunk, in.Method != gosip.INVITE && !e.mayRegister(in):
		return true
	}
	e.challenge(in, p.Auth, verdict)
	return false
}

// prove looks for credentials that are right, for a realm of ours.
func (e *Endpoint) prove(in *incoming, v *evidence) digest.Verdict {
	worst, asked := digest.Missing, ""
	for i, h := range in.GetHeaders("authorization") {
		c, err := digest.ParseCredentials(h.Value())
		if err != nil || i >= maxAuthorizations {
			continue
		}
		trunks := e.asking(c.Realm, v.trunk())
		if len(trunks) == 0 {
			continue
		}
		verdict := e.check(in, c, trunks, v)
		if verdict == digest.Accepted {
			return verdict
		}
		if worst = max(worst, verdict); verdict == digest.Wrong {
			asked = trunks[0].ID
		}
	}
	if worst == digest.Wrong {
		e.count.drop("auth-failed")
		e.complain("sip password not accepted", in.src.Addr(), fmt.Errorf("not that of a user of trunk %s", asked))
		e.door.strike(in.from.network, in.src.Addr(), []byte(in.CallID().Value()+in.Via().Value()), banDigest)
	}
	return worst
}

// asking returns the trunks whose users are of a realm: those that may call
// from anywhere, and the one that the other evidence speaks for.
func (e *Endpoint) asking(realm, other string) (all []routing.Trunk) {
	if realm == "" {
		return nil
	}
	ids := slices.Clone(e.deps.ByDigest(realm))
	if other != "" && !slices.Contains(ids, other) {
		ids = append(ids, other)
	}
	for _, id := range ids {
		if p, ok := e.deps.Policy(id); ok && len(p.Auth.Users) > 0 && p.Auth.AskRealm() == realm {
			all = append(all, p)
		}
	}
	return all
}

// check judges one set of credentials and enters the trunk they prove.
func (e *Endpoint) check(in *incoming, c digest.Credentials, trunks []routing.Trunk, v *evidence) digest.Verdict {
	algorithms, owner := trunks[0].Auth.AskAlgorithms(), ""
	verdict := e.asks.Check(c, string(in.Method), c.Realm, in.src.Addr().String(), algorithms, func(name string) (password string, ok bool) {
		for _, t := range trunks {
			for _, u := range t.Auth.Users {
				if u.Name == name {
					password, owner, ok = u.Password.Reveal(), t.ID, true
				}
			}
		}
		return password, ok
	})
	if verdict == digest.Accepted && !aboutThis(c.URI, in) {
		verdict = digest.Wrong
	}
	if verdict == digest.Accepted {
		v.digest, v.user = owner, c.Username
		e.door.prove(in.src.Addr(), owner)
		e.recognise(in.from.stream)
	}
	return verdict
}

// aboutThis reports whether credentials were made for this request: their URI
// has the user part of the Request-URI, or none (some peers name the host
// only). The host may differ: a proxy in between rewrites it.
func aboutThis(uri string, in *incoming) bool {
	var u gosip.Uri
	if gosip.ParseUri(uri, &u) != nil {
		return false
	}
	return u.User == "" || plainUser(u.User) == plainUser(in.Recipient.User)
}

// challengeStranger asks an address nobody knows for a password, if it speaks
// of a realm in which some trunk may call from anywhere. Nobody else hears
// anything: an answer would tell a scanner that somebody is here.
func (e *Endpoint) challengeStranger(in *incoming, verdict digest.Verdict) bool {
	if in.Method == gosip.INVITE || in.Method == gosip.OPTIONS || in.Method == gosip.REGISTER && e.takesPhones() {
		for _, realm := range realmsOf(in) {
			if trunks := e.asking(realm, ""); len(trunks) > 0 {
				e.challenge(in, trunks[0].Auth, verdict)
				return false
			}
		}
	}
	e.count.drop("unknown-source")
	e.door.strike(in.from.network, in.src.Addr(), []byte(in.CallID().Value()+in.Via().Value()), banScan)
	return false
}

// realmsOf lists what a request says of where it belongs.
func realmsOf(in *incoming) (realms []string) {
	for i, h := range in.GetHeaders("authorization") {
		if c, err := digest.ParseCredentials(h.Value()); err == nil && i < maxAuthorizations {
			realms = append(realms, c.Realm)
		}
	}
	return append(realms, in.From().Address.Host, in.Recipient.Host)
}

// challenge answers 401, with one challenge for each algorithm. It holds
// nothing: the nonce proves itself, the tag is computed from the request, and
// who did not hear the answer asks again.
func (e *Endpoint) challenge(in *incoming, a routing.Auth, verdict digest.Verdict) {
	var headers []gosip.Header
	for _, c := range e.asks.Challenges(a.AskRealm(), in.src.Addr().String(), a.AskAlgorithms(), verdict == digest.Stale) {
		headers = append(headers, gosip.NewHeader("WWW-Authenticate", c.String()))
	}
	in.To().Params.Add("tag", e.tagOf(in))
	in.reply(401, nil, headers...)
}

// tagOf is the To tag of an answer that leaves no state (RFC 3261 8.2.7).
func (e *Endpoint) tagOf(in *incoming) string {
	m := hmac.New(sha256.New, []byte(e.tagKey))
	branch, _ := in.Via().Params.Get("branch")
	from, _ := in.From().Params.Get("tag")
	m.Write([]byte(strings.Join([]string{in.CallID().Value(), branch, from}, "\n")))
	return base32.StdEncoding.EncodeToString(m.Sum(nil))[:16]
}

// certified and addressed are the two halves of [hop.trunk].
func (h *hop) certified() string {
	if h.stream == nil {
		return ""
	}
	return h.stream.trunk
}

func (h *hop) addressed() string {
	if isWeb(h.network) { // a page of anybody's may open it from there, or all browsers come by one proxy
		return ""
	}
	id, _ := h.ep.trunkAt(h.addr.Addr())
	return id
}
