package routing

// Prompt is something to be played: one of its fields.
type Prompt struct {
	File    string // path of a WAV file
	Shipped string // language and name of one that comes with the program: "en/goodbye"
}

// IsZero reports whether there is nothing to be played.
func (p Prompt) IsZero() bool { return p == Prompt{} }
