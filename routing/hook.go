package routing

// Hooked is a hook of the table: whom to ask, and how it is known who asked.
type Hooked struct {
	URL     string // https: …; empty: Subject
	Subject string // of NATS request-reply
	Secret  string // that the question is signed with; empty: not signed
}

// HookReply is what a hook says, already checked: at most one of Flow, Targets
// and Refuse.
type HookReply struct {
	Flow    string // id of a flow to go on with
	Targets []Target
	Refuse  bool
	Tags    map[string]string
}
