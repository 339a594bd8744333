package routing

import (
	"slices"
	"strings"
	"time"
)

// Instruction is what a [Walk] wants done next. The set is closed.
type Instruction interface{ isInstruction() }

type (
	// Say plays prompts to the caller, one after the other. The outcome is [Said].
	Say struct {
		Step    string // path of the step in the Spec
		Prompts []Prompt
		Early   bool // as early media, before the caller is answered, where that is still so
		Barge   bool // a key ends it
	}
	// Gather plays prompts to the caller and collects his keys. The outcome is [Gathered].
	Gather struct {
		Step    string
		Prompts []Prompt
		Early   bool
		Keep    bool          // keys do not end the prompts
		Keys    int           // how many at most; at least 1
		End     string        // a key that ends the entry and is not part of it; empty: none
		Among   []string      // the entries that mean something; none: any. See Take
		First   time.Duration // to the first key, from the end of the prompts
		Next    time.Duration // from key to key; matters when Keys > 1
	}
	// Ring dials destinations. The outcome is [Rung], unless one answers and the
	// call ends with the talk.
	Ring struct {
		Step     string
		Strategy string       // its word in the Spec
		Targets  []Target     // in the order to try; the instruction's own
		Together bool         // all at once; the first that answers (and accepts) takes the call
		Failover []RingResult // how an attempt has to come out for the next target to be tried
		Redial   bool         // who has declined or was busy may be tried again: he may stand in the list twice
		Keep     bool         // when the callee hangs up first the caller stays: the outcome is Talked
		Whisper  *Whispered   // played to who answers, before he is connected; nil: nothing
		Screen   *Screened    // he has to press a key to take the call; nil: he need not
		Music    Prompt       // instead of a ringback tone, for a caller who is answered already
	}
	// Ask asks the owner's hook. The outcome is [Replied].
	Ask struct {
		Step     string
		Hook     *Hooked
		Deadline time.Duration
	}
	// Want asks for a fact that the table cannot know. The outcome is [Fact].
	Want struct {
		Step string
		Kind FactKind
		Key  string        // what it is about: a dial step, a list …
		Over time.Duration // of FactRepeats: the window
		Most int           // of FactRepeats: more than this need not be told apart
	}
	// Message takes a message of the caller. The outcome is [Messaged].
	Message struct {
		Step    string
		Prompts []Prompt
		Beep    bool
		Most    time.Duration // the longest message
		Quiet   time.Duration // so long a silence ends it; 0: none does
		End     string        // a key that ends it
		Mailbox string        // id, shown in the event
	}
	// Control starts, stops, pauses or resumes the recording of the call. The
	// outcome is [Done].
	Control struct {
		Step string
		What string // start | stop | pause | resume
	}
	// Label notes tags of the call. The outcome is [Done].
	Label struct {
		Step string
		Tags map[string]string // this step's; the walk's own
	}
	// Told tells of a consent, or of its refusal. The outcome is [Done].
	Told struct {
		Step    string
		Consent string // what holds now: a word of Walk.Consent
	}
	// Refuse ends the call as refused; with Prompts they are played first.
	Refuse struct {
		Step    string
		Reason  Reason
		Status  int // of SIP; 0: the reason's own
		Prompts []Prompt
	}
	// Hang ends the call well, after the prompts.
	Hang struct {
		Step    string
		Prompts []Prompt
	}
	// End says that the flow is through: nobody took the call.
	End struct{}
)

func (Say) isInstruction()     {}
func (Gather) isInstruction()  {}
func (Ring) isInstruction()    {}
func (Ask) isInstruction()     {}
func (Want) isInstruction()    {}
func (Message) isInstruction() {}
func (Control) isInstruction() {}
func (Label) isInstruction()   {}
func (Told) isInstruction()    {}
func (Refuse) isInstruction()  {}
func (Hang) isInstruction()    {}
func (End) isInstruction()     {}

// Outcome is what became of an instruction. The set is closed; each carries the
// time, the only clock a walk has.
type Outcome interface{ at() time.Time }

// When is the time of an outcome.
type When struct{ Time time.Time }

func (w When) at() time.Time { return w.Time }

type (
	// Began starts a walk, and each step.
	Began struct{ When }
	// Said says whether the caller heard the prompts to their end.
	Said struct {
		When
		Complete bool
		Failed   bool // they could not be played
	}
	// Gathered is what the caller pressed; empty: nothing in time.
	Gathered struct {
		When
		Keys     string
		Complete bool // the prompts were heard to their end
	}
	// Rung says how the dialling ended. Talked is the only result with a talk behind
	// it: the callee has hung up and the caller is still there. It comes of a Ring
	// with Keep only; any other talk ends the call and is told to nobody.
	Rung struct {
		When
		Result RingResult
		Trials []Trial // of the instruction's targets, as far as they were tried
	}
	// Replied is what the hook said; Err: why it said nothing.
	Replied struct {
		When
		Reply HookReply
		Err   string // a word: timeout, refused, invalid, unreachable; empty: none
	}
	// Fact answers a Want.
	Fact struct {
		When
		Number uint64 // of FactTurn and FactRepeats
		ID     string // of FactSticky: identity of a target; empty: none
	}
	// Messaged says what became of a message.
	Messaged struct {
		When
		Left   bool // there is one
		Failed bool // it could not be recorded
	}
	// Done says that an instruction without any other outcome is done.
	Done struct{ When }
)

// Trial is how one target of a Ring came out.
type Trial struct {
	Target int // index in Ring.Targets
	Result RingResult
}

// RingResult is a class of causes: how a dialling, or one attempt, came out.
type RingResult string

const (
	Talked      RingResult = "talked"
	Declined    RingResult = "declined"    // a person, or what stands for him, said no
	Busy        RingResult = "busy"        // 486
	NoAnswer    RingResult = "no-answer"   // it rang
	Unreachable RingResult = "unreachable" // nothing rang: no route, 5xx, no response
	Full        RingResult = "full"        // a limit of ours, or the guard, let nobody try
)

// Take adds a key to an entry. over: the entry is complete, because it has all its
// keys, was ended by one, or can mean nothing else any more. An entry that begins
// like several waits for its next key, at most for Next.
func (g Gather) Take(entry, key string) (now string, over bool) {
	if key == g.End && g.End != "" {
		return entry, true
	}
	entry += key
	if len(entry) >= g.Keys {
		return entry, true
	}
	if len(g.Among) == 0 {
		return entry, false
	}
	longer := func(w string) bool { return len(w) > len(entry) && strings.HasPrefix(w, entry) }
	return entry, !slices.ContainsFunc(g.Among, longer)
}

// allResults are those that an attempt can come out with but for a talk.
var allResults = []RingResult{Declined, Busy, NoAnswer, Unreachable, Full}

// FactKind says what a Want is about.
type FactKind string

const (
	FactTurn    FactKind = "turn"    // whose turn it is at a round robin: counts up with each call
	FactSticky  FactKind = "sticky"  // who answered this caller here before
	FactRepeats FactKind = "repeats" // how often this caller has called within the window, this call included
)

// Whispered is what is played to who answers.
type Whispered struct{ Prompts []Prompt }

// Screened is how who answers has to take the call.
type Screened struct {
	Prompts []Prompt
	Accept  string // the key that does; any other declines
	Within  time.Duration
}

// Identity tells a target from others, across tables: what a person is not
// dialled twice by, and found again by.
func (t Target) Identity() string {
	switch {
	case t.Number != "":
		return "number " + t.Number
	case t.User != "":
		return "user " + t.User + " of " + t.Trunk
	}
	return t.URI
}

// clone makes a target its caller's own.
func (t Target) clone() Target {
	t.Media = t.Media.clone()
	t.Places = slices.Clone(t.Places)
	t.Redirect.Names = slices.Clone(t.Redirect.Names)
	t.Redirect.Nets = slices.Clone(t.Redirect.Nets)
	return t
}
