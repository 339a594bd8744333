package routing

import (
	"slices"
	"strings"
	"sync"
	"unicode"
)

// reach is what somebody who dials the user part of a URI may take it for.
type reach struct {
	plain   []number // read so: each has to be allowed
	maybe   []number // inside it, or behind a prefix that is dialled: none may be premium or listed
	unclear bool     // digits enough for a number, in no order that is understood
}

// fewestDialled is the least number of digits that are taken for a number which
// could not be read. Below it are extensions and the services of networks.
const fewestDialled = 6

// reach reads where a target leads to. The user part of a URI is read as its
// trunk writes numbers; what stands around a number is looked through.
func (t *Table) reach(to Target) reach {
	switch {
	case to.Number != "":
		n, ok := parseE164(strings.TrimPrefix(to.Number, "+"))
		return reach{plain: some(n), unclear: !ok}
	case to.User != "" || to.URI == "":
		return reach{}
	}
	u, msg := parseURI(to.URI)
	if msg != "" {
		return reach{unclear: true}
	}
	user, in, carrier := unescaped(u.user), (*country)(nil), false
	if trunk := t.trunks[to.Trunk]; trunk != nil {
		in, carrier = trunk.country, trunk.spec.NumberFormat != NumberFormat{}
		user = strings.TrimPrefix(user, trunk.spec.NumberFormat.Prefix)
	}
	return reachOf(user, in, carrier)
}

func reachOf(user string, in *country, carrier bool) (r reach) {
	user, params, _ := strings.Cut(user, ";")
	n, how := read(user+";"+params, in)
	r.plain = some(n)
	if n == 0 || how == inContext { // who does not know of contexts dials the digits alone
		r.runs(user, in, carrier)
	}
	for _, run := range pieces(params).runs { // rn= (RFC 4694) leads the call elsewhere
		r.dialled(run.digits, in, true)
	}
	return r
}

// runs reads digits that stand among other characters.
func (r *reach) runs(user string, in *country, carrier bool) {
	p := pieces(user)
	for i, run := range p.runs {
		r.dialled(run.digits, in, p.name || run.paused || len(r.plain) > 0 && !run.starred)
		rest := p.from(i)
		if i < len(p.runs)-1 { // by who leaves out what is between them
			r.dialled(rest, in, true)
		}
		if run.starred && len(rest) > 2 { // *67 and its like
			r.dialled(rest[2:], in, true)
		}
	}
	// A name may hold digits, a phone may have six: where numbers are not dialled.
	r.unclear = len(r.plain) == 0 && (carrier && p.count >= fewestDialled || !p.name && p.count > fewestDialled)
}

// dialled adds what a run of digits may be. Without a country to read it by it is
// taken to be international.
func (r *reach) dialled(run string, in *country, maybe bool) {
	var n number
	if in != nil {
		n, _ = in.read(run)
	}
	if n == 0 {
		n, _ = parseE164(strings.TrimLeft(run, "0"))
		maybe = maybe || in != nil
	}
	if maybe {
		r.maybe = append(r.maybe, some(n)...)
	} else {
		r.plain = append(r.plain, some(n)...)
	}
	for lead, prefixes := range abroad() { // behind as many digits for a line to the outside
		for _, prefix := range prefixes {
			if len(run) <= lead {
				continue
			}
			if rest, ok := strings.CutPrefix(run[lead:], prefix); ok {
				n, _ := parseE164(strings.TrimLeft(rest, "0"))
				r.maybe = append(r.maybe, some(n)...)
			}
		}
	}
}

// abroad are the prefixes of international numbers, by how many digits may stand
// before them. The more there are, the fewer prefixes: a number of its own could
// begin with the others.
var abroad = sync.OnceValue(func() [3][]string {
	all := map[string]bool{}
	for i := range countries {
		for prefix := range strings.SplitSeq(countries[i].intl, " ") {
			all[prefix] = true
		}
	}
	var any []string
	for prefix := range all {
		any = append(any, prefix)
	}
	slices.Sort(any)
	return [3][]string{any, {"00", "011"}, {"00"}}
})

// written is a user part in pieces.
type written struct {
	runs  []digitRun
	name  bool // letters that nobody dials
	count int  // of digits
}

// digitRun is digits with nothing but separators between them.
type digitRun struct {
	digits  string
	starred bool // behind a * or #
	paused  bool // behind a pause: what is sent as keys once somebody has answered
}

// from joins all runs from one on.
func (w written) from(i int) string {
	var all strings.Builder
	for _, run := range w.runs[i:] {
		all.WriteString(run.digits)
	}
	return all.String()
}

func pieces(s string) (w written) {
	var run digitRun
	end := func() {
		if run.digits != "" {
			w.runs = append(w.runs, run)
		}
		run = digitRun{paused: run.paused}
	}
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			run.digits += string(c)
			w.count++
		case c < unicode.MaxASCII && separator(byte(c)):
		case strings.ContainsRune(",pPwWxXtT", c):
			end()
			run.paused = len(w.runs) > 0
		default:
			end()
			run.starred = c == '*' || c == '#'
			w.name = w.name || unicode.IsLetter(c)
			if unicode.IsDigit(c) { // of another script
				w.count++
			}
		}
	}
	end()
	return w
}

// unescaped takes the escapes off a user part that parseURI has let pass.
func unescaped(user string) string {
	var out strings.Builder
	for i := 0; i < len(user); i++ {
		if b, ok := escape(user[i:]); user[i] == '%' && ok {
			out.WriteByte(b)
			i += 2
			continue
		}
		out.WriteByte(user[i])
	}
	return out.String()
}

func some(n number) []number {
	if n == 0 {
		return nil
	}
	return []number{n}
}
