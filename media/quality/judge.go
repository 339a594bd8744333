package quality

import (
	"time"

	"ringdown/media"
)

// How long a party may go unheard before it is said, so that it is said within
// ten seconds of the answer or of the moment it began, with a look each second;
// and how long a party that was heard may listen without a sound of its own.
const (
	patience = 7 * time.Second
	muteness = 30 * time.Second
)

// Sight is what can be seen of one party at a moment.
type Sight struct {
	Now      int64
	Judged   int64 // since when it could be heard: the answer, or when it took its place
	MaySend  bool  // nobody holds it, and it holds nobody
	Packets  uint64
	Strange  uint64                     // of those, of payload types that nobody agreed on
	LastRTP  int64                      // 0: none
	LastRTCP int64                      // 0: none
	Sends    uint32                     // packets that it says it has sent
	Strays   [media.Loopback + 1]uint64 // packets refused for where they came from
	Own      media.Origin               // of the address in its description
	Ours     media.Origin               // of our address towards it
	Loud     int64                      // when sound was last heard of it; 0: never
	Levelled bool                       // its codec can be looked into
	Resting  bool                       // it has said that it sends nothing while it is silent
}

// Finding is a change in how a party is heard.
type Finding struct {
	Verdict media.Verdict
	Origin  media.Origin // of the packets that were refused
	Since   int64
	Over    bool // the party is heard again, after what Verdict says
}

// Judge watches one party. The zero value knows nothing yet.
type Judge struct {
	began   bool
	from    int64 // from when on it should be heard
	good    int64 // when it was last heard; 0: never
	before  Sight
	stray   media.Origin // last refused
	strayAt int64
	oddAt   int64 // last packet of a strange type
	now     Finding
}

// See takes a look and returns what has changed; ok is false when nothing has.
func (j *Judge) See(s Sight) (f Finding, ok bool) {
	j.note(s)
	if !s.MaySend { // held is no fault, and whoever is released begins anew
		over := j.now
		j.now, j.from = Finding{}, s.Now
		j.before = s
		over.Over = true
		return over, over.Verdict != ""
	}
	j.before = s
	v, since := j.verdict(s)
	switch {
	case v == j.now.Verdict:
		return Finding{}, false
	case v == "":
		over := j.now
		j.now, over.Over = Finding{}, true
		return over, true
	}
	j.now = Finding{Verdict: v, Since: since}
	if v == media.WrongSource || v == media.PrivateAddress && s.Now-j.strayAt < int64(patience) {
		j.now.Origin = j.stray
	}
	return j.now, true
}

// note compares with the look before.
func (j *Judge) note(s Sight) {
	if !j.began { // what came before the answer says nothing
		j.began, j.from, j.before = true, max(s.Judged, 1), s
	}
	if s.Packets-s.Strange > j.before.Packets-j.before.Strange {
		j.good = s.Now
	}
	if s.Strange > j.before.Strange {
		j.oddAt = s.Now
	}
	for o, n := range s.Strays {
		if n > j.before.Strays[o] {
			j.stray, j.strayAt = media.Origin(o), s.Now
		}
	}
}

// verdict judges the party now, and since when that holds.
func (j *Judge) verdict(s Sight) (media.Verdict, int64) {
	since := max(j.from, j.good)
	if s.Now-since < int64(patience) {
		return j.muted(s)
	}
	recently := func(at int64) bool { return at != 0 && s.Now-at < int64(patience) }
	switch {
	case recently(j.strayAt) && s.Own == media.Private && j.stray != media.Private && j.stray != media.OtherPort:
		return media.PrivateAddress, since
	case recently(j.strayAt):
		return media.WrongSource, since
	case recently(j.oddAt):
		return media.WrongType, since
	case j.good != 0 && s.Resting:
		return "", 0
	case j.good != 0 || s.Packets > s.Strange:
		return media.Stopped, since
	case s.Own == media.Private && s.Ours != media.Private:
		return media.PrivateAddress, since
	case s.Sends > 0:
		return media.Blocked, since
	}
	return media.NeverSent, since
}

// muted finds a party whose packets come and hold nothing.
func (j *Judge) muted(s Sight) (media.Verdict, int64) {
	if !s.Levelled || j.good == 0 {
		return "", 0
	}
	since, limit := max(j.from, s.Loud), muteness
	if s.Loud == 0 {
		limit = patience
	}
	if s.Now-since < int64(limit) {
		return "", 0
	}
	return media.Muted, since
}

// Unheard reports whether nothing of the party has been heard for a while, of
// what it may send.
func (j *Judge) Unheard(s Sight) bool {
	return s.MaySend && s.Now-max(j.from, j.good) >= int64(patience/2)
}
