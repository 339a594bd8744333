package routing

import (
	"maps"
	"reflect"
	"slices"
)

// profiles is what is known of kinds of peers, as data: a partial Trunk each,
// holding only what differs from the defaults and is read somewhere. A fact goes
// in with the test that shows it; who differs from his kind writes the key into
// his trunk, which wins.
var profiles = map[string]Trunk{
	"default": {},
	// PJSIP with trust_id_inbound and send_pai, which is how it asserts a caller.
	"asterisk": {Identity: Identity{Asserted: ShowCaller}},
	// A gateway's caller-id-type is rpid unless somebody changed it.
	"freeswitch": {Identity: Identity{RemotePartyID: yes()}},
	// A proxy at the edge of a network that shares the trust of RFC 3325.
	"kamailio-edge": {Identity: Identity{Trust: TrustBoth, Asserted: ShowCaller}},
	"cucm":          {Identity: Identity{RemotePartyID: yes(), Diversion: yes()}},
	"broadworks":    {Identity: Identity{Asserted: ShowCaller, Diversion: yes(), UserPhone: yes()}},
	"ms-teams-sbc":  {Identity: Identity{Asserted: ShowCaller, HistoryInfo: yes(), UserPhone: yes()}},
	// From before RFC 3262 and 3325: an option it does not know confuses it, the
	// caller goes into the draft's header, and digits without user=phone are a name.
	"old-gateway": {Reliable: ReliableOff, Identity: Identity{RemotePartyID: yes(), UserPhone: yes()}},
}

func yes() *bool { b := true; return &b }

// Profiles returns the names of all interop profiles in order.
func Profiles() []string { return slices.Sorted(maps.Keys(profiles)) }

// withProfile fills in what a trunk does not say from its profile. ok is false
// for a profile that is not known; the trunk is then as it was.
func (t Trunk) withProfile() (merged Trunk, ok bool) {
	if t.Profile == "" {
		return t, true
	}
	p, ok := profiles[t.Profile]
	if ok {
		fill(reflect.ValueOf(&t).Elem(), reflect.ValueOf(p))
	}
	return t, ok
}

// fill sets what is zero in v, a settable struct, to what def has there. A
// struct that hides its fields, such as a Duration, is one value.
func fill(v, def reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.Struct && f.NumField() > 0 && f.Type().Field(0).IsExported():
			fill(f, def.Field(i))
		case f.IsZero():
			f.Set(def.Field(i))
		}
	}
}

// withProfiles returns the trunks as they are meant, profiles merged in.
func (b *builder) withProfiles(all []Trunk) []Trunk {
	out := make([]Trunk, len(all))
	for i, t := range all {
		var known bool
		if out[i], known = t.withProfile(); !known {
			b.fault(checkWord(t.Profile, Profiles()), "trunks[%d].profile", i)
		}
	}
	return out
}
