package media

import "time"

// Sound names something that can be played: exactly one of its fields. The zero
// value is none.
type Sound struct {
	File     string // path of a WAV file
	Ringback string // the country whose ringback tone it is: "de", "us", …
	Beep     bool   // the tone that says that a call is recorded
	Shipped  string // language and name of a prompt that comes with the program: "en/goodbye"
}

// Play is an order to play a sound to one side.
type Play struct {
	To    Side
	Sound Sound
	Then  []Sound       // behind it, one after the other without a gap but for the rest of a frame of 20 ms
	Under bool          // mixed under what the other side says; else instead of it
	Level bool          // under talk: it keeps its level; else it is lowered while there is talk
	Loop  bool          // until it is stopped
	Every time.Duration // begin again so long after each beginning, until it is stopped; 0: no
	Barge bool          // a digit of the listener ends it
	For   string        // what it is for: "ringback", "music-on-hold", "beep"; comes back in Playback
}

// Playback is what became of an order to play.
type Playback struct {
	ID       int // as Play returned it
	To       Side
	For      string
	Sound    Sound         // the first
	Hash     string        // SHA-256 of rate and samples in hex, its first 16 digits: which recording of an announcement it was; of several, of their hashes
	Complete bool          // heard to its end at least once, as far as we sent it; of several, to that of the last
	Heard    time.Duration // of sound sent, all times together
	Times    int           // how often it began
	End      PlayEnd
}

// PlayEnd is why a sound plays no more.
type PlayEnd string

const (
	PlayFinished PlayEnd = "finished"
	PlayStopped  PlayEnd = "stopped"
	PlayReplaced PlayEnd = "replaced" // by another sound to the same side
	PlayBarged   PlayEnd = "digit"    // the listener pressed a key
	PlayFailed   PlayEnd = "failed"   // it could not begin
	PlayNoCodec  PlayEnd = "no-codec" // the parties speak nothing that we can
)
