package relay

import (
	"fmt"
	"net/netip"
	"slices"

	"ringdown/media"
	"ringdown/media/sdp"
	"ringdown/media/secure"
)

// This file writes and reads what descriptions say about DTLS (RFC 5763), ICE
// (RFC 8839) and the bundle of one that a browser wants (RFC 9143).

// agent is our end of ICE towards a party of a certain name and password.
type agent struct {
	*secure.ICE
	fragment, password string // of the party
}

// speaksFirst says whether we are the client of DTLS towards a party that says so
// (RFC 5763 5). Where it leaves it to us we wait, unless we did not before: the
// party's first packet opens its NAT and shows where it is.
func (c *secrecy) speaksFirst(s sdp.Security, answer bool) (bool, error) {
	switch s.Setup {
	case "active":
		return false, nil
	case "passive":
		return true, nil
	case "actpass", "":
		if !answer {
			return c.active && c.sameParty(s), nil
		}
	}
	return false, fmt.Errorf("%w: %w", errNoKey, errSetup)
}

// sameParty reports whether a description is by who has shown himself before.
func (c *secrecy) sameParty(s sdp.Security) bool {
	return c.heard && c.choice.DTLS && slices.Equal(c.said.Fingerprints, s.Fingerprints)
}

// describeDTLS says who we are in DTLS and, with ice, where we are. s is what the
// party has or is to have of the rest.
func (c *secrecy) describeDTLS(us sdp.Ours, setup string, s sdp.Security, ice bool) (sdp.Ours, error) {
	id, err := c.identity()
	if err != nil {
		return us, err
	}
	us.Lines = append(us.Lines, "fingerprint:"+id.Fingerprint().String(), "setup:"+setup)
	if s.Mux {
		us.Lines = append(us.Lines, "rtcp-mux")
	}
	if !c.terms.WebRTC {
		return us, nil
	}
	if s.Mid != "" {
		us.Lines = append(us.Lines, "mid:"+s.Mid)
		if s.Bundled {
			us.Session = append(us.Session, "group:BUNDLE "+s.Mid)
		}
	}
	us.Lines = append(us.Lines, "msid:call audio")
	if ice {
		end := c.agentFor(s)
		us.Session = append(us.Session, "ice-lite")
		us.Lines = append(us.Lines, "ice-ufrag:"+end.Fragment, "ice-pwd:"+end.Password)
		for i, at := range append([]netip.AddrPort{us.Media}, us.Also...) {
			us.Lines = append(us.Lines, candidate(i, at))
		}
		us.Lines = append(us.Lines, "end-of-candidates")
	}
	return us, nil
}

// also are our other addresses for a party that looks for the best one by ICE: those
// of the other IP version, when we have one and ports there. The caller holds r.nego.
func (r *Relay) also(to media.Side, q *pair, c *secrecy) []netip.AddrPort {
	if c == nil || !c.terms.WebRTC {
		return nil
	}
	at := spot{q.home, four + six - q.family}
	if !r.pool.place(at).bind.IsValid() {
		return nil
	}
	other, err := r.ports(to, at)
	if err != nil { // one address will do
		return nil
	}
	return []netip.AddrPort{r.pool.advertised(other)}
}

// candidate writes one of our addresses (RFC 8839 5.1), the first with the highest
// priority (RFC 8445 5.1.2.1).
func candidate(i int, at netip.AddrPort) string {
	const host, component = 126 << 24, 256 - 1
	return fmt.Sprintf("candidate:%d 1 udp %d %s %d typ host", i+1, host+(65535-i)<<8+component, at.Addr().WithZone(""), at.Port())
}

// agentFor is our end of ICE towards a party: the one there is; in an answer to a
// party that has changed its name a new one, since its checks begin anew
// (RFC 8445 9). s without a name is that of an offer of ours.
func (c *secrecy) agentFor(s sdp.Security) agent {
	if c.ice.ICE == nil {
		c.ice.ICE = secure.NewICE()
	}
	switch {
	case s.Fragment == "", c.ice.fragment == "", c.ice.fragment == s.Fragment && c.ice.password == s.Password:
		return c.ice
	case c.next.ICE == nil || c.next.fragment != s.Fragment || c.next.password != s.Password:
		c.next = agent{secure.NewICE(), s.Fragment, s.Password}
	}
	return c.next
}

// meets puts our end of ICE towards the party in force. restarted says that the
// party's checks begin anew.
func (c *secrecy) meets(s sdp.Security) (end *secure.ICE, restarted bool) {
	now := c.agentFor(s)
	restarted = now.ICE != c.ice.ICE
	c.ice = agent{now.ICE, s.Fragment, s.Password}
	c.ice.Meets(s.Fragment)
	return c.ice.ICE, restarted
}
