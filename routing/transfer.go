package routing

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Transfer says what a trunk may do with REFER and Replaces (RFC 3515, 3891).
type Transfer struct {
	Allow     bool     `yaml:"allow"`
	Through   string   `yaml:"through"`   // trunk by which numbers are reached; empty: none may be
	Countries []string `yaml:"countries"` // ISO 3166-1 of numbers; empty: that of the trunk's number_format
	Timeout   Duration `yaml:"timeout"`   // ring time of the target; zero: 30 s
}

// Referral is a question in the middle of a call: a party asks that somebody
// else take his place. Where the call then goes is decided here and nowhere
// else; User and Host are only what he wrote.
type Referral struct {
	Trunk     string         // of the referrer; empty: a destination that was dialled by its URI
	Dialled   string         // the URI he was dialled at; empty: it was he who called
	Source    netip.AddrPort // where he called from
	Transport string         // and over what: udp, tcp, tls; empty: as he was dialled
	User      string         // of Refer-To, as received
	Host      string         // of Refer-To: a name or an address
	Port      int            // of Refer-To; 0: none
	Attended  bool           // Refer-To names a dialog of his own to be replaced: a thing of his peer, never of a number
	Replaces  bool           // not a REFER but an INVITE with Replaces: who is to come is there already
}

// Transferred is the answer: either Reject is empty and there is at least one
// target (none for Replaces), or Reject says why not.
type Transferred struct {
	Targets []Target // in the order to try
	Reject  Reason
	Trace   []Look
}

// maxReferred is the longest user part that a call is transferred to, in bytes.
const maxReferred = 64

// TransferNotAllowed refuses a transfer that no rule lets pass.
const TransferNotAllowed Reason = "transfer-not-allowed"

func (b *builder) transfer(spec Transfer, path string) {
	path += ".transfer"
	if !spec.Allow && (spec.Through != "" || len(spec.Countries) > 0 || !spec.Timeout.IsZero()) {
		b.fault("is false or missing, so the other keys mean nothing", "%s.allow", path)
	}
	if spec.Through != "" {
		b.refer("trunk", spec.Through, path+".through", b.hasTrunk, b.trunkIDs)
	}
	for i, iso := range spec.Countries {
		b.fault(checkCountry(iso), "%s.countries[%d]", path, i)
	}
	b.ring(spec.Timeout, defaultRing, path)
}

// transfers is checked when all trunks are known: a trunk may name a later one.
func (b *builder) transfers(all []Trunk) {
	for i, spec := range all {
		path := fmt.Sprintf("trunks[%d]", i)
		b.transfer(spec.Transfer, path)
		if t := b.table.trunks[spec.Transfer.Through]; t != nil && len(t.targets) == 0 {
			b.fault(fmt.Sprintf("trunk %q has no targets to send calls to", t.id), "%s.transfer.through", path)
		}
	}
}

// Transfer decides about a referral. It is as pure and as safe as [Table.Decide]:
// a number goes out through the trunk that the policy names, to the countries it
// allows; everybody else is looked for at the referrer's own peer, whatever host
// he wrote, unless that host is one of his own trunk's.
func (t *Table) Transfer(r Referral) Transferred {
	w := transfer{r: r}
	if t == nil {
		return w.reject(PolicyError, "table", Missed, "there is no routing table")
	}
	if w.from = t.trunks[r.Trunk]; w.from == nil {
		return w.reject(TransferNotAllowed, "transfer", Missed, "the referrer belongs to no trunk")
	}
	policy := w.from.spec.Transfer
	if !policy.Allow {
		return w.reject(TransferNotAllowed, "transfer", Missed, "trunk "+r.Trunk+" may not transfer")
	}
	w.look("transfer", Matched, "trunk "+r.Trunk+" may transfer")
	if r.Replaces {
		return w.d
	}
	w.ring = defaultRing
	if exact, ok := policy.Timeout.Exact(); ok && exact > 0 {
		w.ring = exact
	}
	if _, msg := parseURI("sip:" + r.User + "@host"); msg != "" || len(r.User) > maxReferred {
		return w.reject(NoRoute, "target", Missed, "the target is no user part that a call can be sent to")
	}
	if n, how := read(r.User, w.from.country); n != 0 && !r.Attended {
		w.look("target", Matched, n.String()+", "+how.String())
		return w.number(t, n)
	}
	w.look("target", Matched, "no number: looked for at the referrer's own peer")
	return w.peer()
}

// transfer is one referral being decided.
type transfer struct {
	r    Referral
	from *trunk
	ring time.Duration
	d    Transferred
}

func (w *transfer) look(what, result, text string) {
	w.d.Trace = append(w.d.Trace, Look{what, result, text})
}

func (w *transfer) reject(why Reason, what, result, text string) Transferred {
	w.d.Reject = why
	w.look(what, result, text)
	return w.d
}

// number sends a number out.
func (w *transfer) number(t *Table, n number) Transferred {
	policy := w.from.spec.Transfer
	out := t.trunks[policy.Through]
	if out == nil {
		return w.reject(TransferNotAllowed, "through", Missed, "transfer.through names no trunk for numbers")
	}
	if !w.mayCall(n) {
		return w.reject(TransferNotAllowed, "country", Missed, "the number is in none of the countries that transfer.countries allows")
	}
	w.add(out.through(n, w.ring),
		fmt.Sprintf("%s by trunk %s at %s%s, rings %s", n, out.id, out.order(), out.spec.NumberFormat.words(), w.ring))
	return w.d
}

// mayCall reports whether a number belongs to a country that calls may be
// transferred to. Countries that share a calling code share the permission.
func (w *transfer) mayCall(n number) bool {
	c := countryOfHead(n.head())
	if c == nil {
		return false
	}
	if listed := w.from.spec.Transfer.Countries; len(listed) > 0 {
		return slices.ContainsFunc(listed, func(iso string) bool { return countryOf(iso).code == c.code })
	}
	return w.from.country != nil && w.from.country.code == c.code
}

func (w *transfer) add(t Target, text string) {
	w.d.Targets = append(w.d.Targets, t)
	w.look("target", Chosen, text)
}

// peer looks for the target where the referrer himself is.
func (w *transfer) peer() Transferred {
	for _, u := range w.places() {
		w.add(Target{URI: u.to(w.r.User), Trunk: w.from.id, Timeout: w.ring, Media: w.from.media.clone(), Talk: w.from.talk()},
			fmt.Sprintf("by trunk %s at %s, rings %s", w.from.id, u.place(), w.ring))
	}
	if len(w.d.Targets) == 0 {
		w.d.Reject = NoRoute
	}
	return w.d
}

// places are where the referrer's peer can be asked, the best first.
func (w *transfer) places() []uri {
	if u, ok := w.named(); ok {
		return []uri{u}
	}
	w.look("host", Skipped, "the host written is none of trunk "+w.from.id+"'s")
	if u, msg := parseURI(w.r.Dialled); msg == "" {
		return []uri{u}
	}
	if len(w.from.targets) > 0 {
		var all []uri
		for _, s := range w.from.targets {
			all = append(all, s.uri)
		}
		return all
	}
	if !w.r.Source.IsValid() {
		w.look("host", Missed, "nothing says where the referrer's peer is")
		return nil
	}
	return []uri{placeOf(w.r.Source.Addr(), int(w.r.Source.Port()), w.transport())}
}

// named is the place that Refer-To itself names, when it is one of the trunk's.
func (w *transfer) named() (uri, bool) {
	host := strings.Trim(w.r.Host, "[]")
	for _, u := range w.from.targets {
		if strings.EqualFold(strings.Trim(u.host, "[]"), host) && (w.r.Port == 0 || u.port == strconv.Itoa(w.r.Port)) {
			w.look("host", Matched, "the host written is a target of trunk "+w.from.id)
			return u.uri, true
		}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" || w.r.Port < 0 || w.r.Port > 65535 || !w.from.holds(addr) {
		return uri{}, false
	}
	w.look("host", Matched, "the host written is among the sources of trunk "+w.from.id)
	return placeOf(addr, cmp.Or(w.r.Port, 5060), w.transport()), true
}

// holds reports whether an address is one of the trunk's sources.
func (t *trunk) holds(addr netip.Addr) bool {
	addr = addr.Unmap()
	return slices.ContainsFunc(t.spec.Sources, func(s string) bool {
		p, msg := checkPrefix(s)
		return msg == "" && p.Contains(addr)
	})
}

// transport is the parameter of a URI that leads to the referrer's peer the way
// he is talked to.
func (w *transfer) transport() string {
	if u, msg := parseURI(w.r.Dialled); msg == "" {
		for p := range strings.SplitSeq(u.params, ";") {
			if name, _, _ := strings.Cut(p, "="); strings.EqualFold(name, "transport") {
				return ";" + p
			}
		}
		return ""
	}
	if w.r.Transport == "tcp" || w.r.Transport == "tls" {
		return ";transport=" + w.r.Transport
	}
	return ""
}

func placeOf(addr netip.Addr, port int, params string) uri {
	u := uri{host: addr.Unmap().String(), port: strconv.Itoa(port), params: params}
	if addr.Unmap().Is6() {
		u.host = "[" + u.host + "]"
	}
	return u
}
