package routing

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Screening says which callers are let in, before anything of a flow is done. It
// stands at the table, an agency, an account and a number. Of each rule what is
// nearest to the number counts; lists add up, and of the levels that name a caller
// the nearest decides, where an allow list goes before a block list.
type Screening struct {
	Block       []string   `yaml:"block"`       // lists whose callers are refused
	Allow       []string   `yaml:"allow"`       // lists whose callers are asked nothing more
	Anonymous   string     `yaml:"anonymous"`   // who withholds his number: allow (default) | reject | challenge
	Attestation string     `yaml:"attestation"` // the least of everybody: none (default) | passed | B | A
	Repeat      Repeat     `yaml:"repeat"`
	Reputation  Reputation `yaml:"reputation"`
	Challenge   string     `yaml:"challenge"` // who else has to press a key: none (default) | unattested | all
}

// Repeat bounds how often one caller may call one number, where a number says it,
// or one account.
type Repeat struct {
	Calls  int      `yaml:"calls"`  // within the time, his first included; 0: no bound
	Within Duration `yaml:"within"` // a window that slides
	Then   string   `yaml:"then"`   // who calls once more: reject (default) | challenge
}

// Reputation asks a hook who calls. The hook refuses a caller or says nothing.
type Reputation struct {
	URL       string   `yaml:"url"`       // https: …
	Subject   string   `yaml:"subject"`   // of NATS request-reply, in the place of url
	Secret    Secret   `yaml:"secret"`    // the question is signed with it
	Deadline  Duration `yaml:"deadline"`  // zero: one second
	Otherwise string   `yaml:"otherwise"` // without an answer in time: allow (default) | reject
	Keep      Duration `yaml:"keep"`      // how long an answer counts for that caller; zero: ten minutes
}

// Words of Screening.
const (
	ScreenAllow     = "allow"
	ScreenReject    = "reject"
	ScreenChallenge = "challenge"

	ChallengeNone       = "none"
	ChallengeUnattested = "unattested"
	ChallengeAll        = "all"
)

var (
	anonymousWords = []string{ScreenAllow, ScreenReject, ScreenChallenge}
	repeatWords    = []string{ScreenReject, ScreenChallenge}
	otherwiseWords = []string{ScreenAllow, ScreenReject}
	challengeWords = []string{ChallengeNone, ChallengeUnattested, ChallengeAll}
)

// ScopeTable is who says what holds for all accounts.
const ScopeTable = "table"

const (
	mostRepeats    = 1000
	longestRepeats = 7 * 24 * time.Hour

	defaultAsked = time.Second
	longestAsked = 5 * time.Second
	defaultKept  = 10 * time.Minute
	longestKept  = 24 * time.Hour
)

func (b *builder) screening(s *Screening, path string) {
	if s == nil {
		return
	}
	for i, id := range s.Block {
		b.listed(id, fmt.Sprintf("%s.block[%d]", path, i))
	}
	for i, id := range s.Allow {
		b.listed(id, fmt.Sprintf("%s.allow[%d]", path, i))
	}
	b.fault(checkWord(s.Anonymous, anonymousWords), "%s.anonymous", path)
	b.fault(checkWord(s.Attestation, requireWords), "%s.attestation", path)
	b.fault(checkWord(s.Challenge, challengeWords), "%s.challenge", path)
	b.repeat(s.Repeat, path+".repeat")
	b.reputation(s.Reputation, path+".reputation")
}

func (b *builder) repeat(r Repeat, path string) {
	b.fault(checkWord(r.Then, repeatWords), "%s.then", path)
	switch {
	case r.Calls < 0 || r.Calls > mostRepeats:
		b.fault(fmt.Sprintf("is not 0 to %d", mostRepeats), "%s.calls", path)
	case r.Calls == 0 && r != Repeat{}:
		b.fault("is missing: how often a caller may call", "%s.calls", path)
	case r.Calls > 0 && r.Within.IsZero():
		b.fault("is missing: in what time", "%s.within", path)
	}
	b.fault(checkSpan(r.Within, longestRepeats), "%s.within", path)
}

func (b *builder) reputation(r Reputation, path string) {
	b.fault(checkWord(r.Otherwise, otherwiseWords), "%s.otherwise", path)
	b.fault(checkSpan(r.Deadline, longestAsked), "%s.deadline", path)
	b.fault(checkSpan(r.Keep, longestKept), "%s.keep", path)
	switch {
	case r.URL == "" && r.Subject == "" && r != Reputation{}:
		b.fault("is missing: whom to ask, or a subject", "%s.url", path)
	case r.URL != "" && r.Subject != "":
		b.fault("stands beside url; one of them is asked", "%s.subject", path)
	case r.URL != "":
		b.fault(checkAskedURL(r.URL), "%s.url", path)
	case r.Subject != "":
		b.fault(checkAskedSubject(r.Subject), "%s.subject", path)
	}
}

// checkAskedURL says what is wrong with the URL of whom to ask.
func checkAskedURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || checkText(s, maxAskedURL) != "" {
		return "is not a URL such as https://example.com/calls, without a user and a fragment"
	}
	return ""
}

// checkAskedSubject says what is wrong with the subject of whom to ask.
func checkAskedSubject(s string) string {
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || strings.Trim(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" || looksLikeNumber(token) {
			return "is not a NATS subject: words of a-z, A-Z, 0-9, - and _, with a dot between them and no wildcard, none of them a telephone number"
		}
	}
	if len(s) > maxAskedURL {
		return fmt.Sprintf("is longer than %d bytes", maxAskedURL)
	}
	return ""
}

const maxAskedURL = 1024

// asked is the question that a reputation is asked by.
func (r Reputation) asked() Ask {
	or := func(d Duration, otherwise time.Duration) time.Duration {
		if exact, ok := d.Exact(); ok && exact > 0 {
			return exact
		}
		return otherwise
	}
	return Ask{
		Step: "screening.reputation", Hook: &Hooked{URL: r.URL, Subject: r.Subject, Secret: r.Secret, Send: []string{SendCaller, SendNumber}, Keep: or(r.Keep, defaultKept)},
		Deadline: or(r.Deadline, defaultAsked),
	}
}

// isSaid reports whether there is anybody to ask.
func (r Reputation) isSaid() bool { return r.URL != "" || r.Subject != "" }
