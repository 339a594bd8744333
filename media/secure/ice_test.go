package secure

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// check writes a connectivity check as a full agent does.
func check(user, password string, attrs ...uint16) []byte {
	ask := message{raw: append([]byte{0, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42}, "transaction!"...)}
	return ask.reply(bindingRequest, password, func(b []byte) []byte {
		b = appendAttr(b, attrUsername, []byte(user))
		b = appendAttr(b, attrPriority, []byte{0, 0, 1, 0})
		for _, kind := range attrs {
			value := make([]byte, 8)
			if kind == attrUseCandidate {
				value = nil
			}
			b = appendAttr(b, kind, value)
		}
		return b
	})
}

// The sample request and response of RFC 5769 2.1 and 2.2.
func TestVectorsOfRFC5769(t *testing.T) {
	request, _ := hex.DecodeString(strings.ReplaceAll("000100582112a442b7e7a701bc34d686fa87dfae"+
		"802200105354554e207465737420636c69656e74"+"002400046e0001ff"+"80290008932ff9b151263b36"+
		"000600096576746a3a68367659202020"+"000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"+"80280004e57a3bcf", " ", ""))
	m, err := parseSTUN(request)
	if err != nil || m.username != "evtj:h6vY" || !m.obeys || !m.authentic("VOkJxbRl1RmTxUk/WvJxBt") {
		t.Fatalf("%+v, %v", m, err)
	}
	response, _ := hex.DecodeString("0101003c2112a442b7e7a701bc34d686fa87dfae" + "8022000b7465737420766563746f7220" +
		"002000080001a147e112a643" + "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7" + "80280004c07d4c96")
	if m, err = parseSTUN(response); err != nil || m.kind != bindingSuccess || !m.authentic("VOkJxbRl1RmTxUk/WvJxBt") {
		t.Fatalf("%+v, %v", m, err)
	}
	mapped := appendMapped(append([]byte(nil), response[:stunHeader]...), netip.MustParseAddrPort("192.0.2.1:32853"))
	if !bytes.Equal(mapped[stunHeader:], response[36:48]) {
		t.Errorf("mapped address %x, want %x", mapped[stunHeader:], response[36:48])
	}
}

func TestICE(t *testing.T) {
	us := NewICE()
	us.Meets("them")
	from := netip.MustParseAddrPort("[2001:db8::7]:4000")
	user := us.Fragment + ":them"
	good := check(user, us.Password, attrControlling, attrUseCandidate)
	flipped := bytes.Clone(good)
	flipped[40] ^= 1
	for _, c := range []struct {
		name      string
		pkt       []byte
		kind      uint16 // of the answer
		valid     bool
		nominates bool
		err       error
	}{
		{"check", check(user, us.Password, attrControlling), bindingSuccess, true, false, nil},
		{"nomination", good, bindingSuccess, true, true, nil},
		{"wrong password", check(user, "another password, long", attrControlling), 0, false, false, ErrCheck},
		{"name of another", check("other:them", us.Password), 0, false, false, ErrCheck},
		{"from another", check(us.Fragment+":thief", us.Password), 0, false, false, ErrCheck},
		{"no colon", check(us.Fragment, us.Password), 0, false, false, ErrCheck},
		{"they obey too", check(user, us.Password, attrControlled), bindingError, false, false, nil},
		{"unknown attribute", check(user, us.Password, 0x7001), bindingError, false, false, nil},
		{"attribute that may be unknown", check(user, us.Password, 0xc057), bindingSuccess, true, false, nil},
		{"broken on the way", flipped, 0, false, false, errSTUN},
		{"half", good[:60], 0, false, false, errSTUN},
		{"nothing", nil, 0, false, false, errSTUN},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, valid, nominates, err := us.Take(c.pkt, from)
			if !errors.Is(err, c.err) || valid != c.valid || nominates != c.nominates {
				t.Fatalf("valid %v, nominates %v, %v", valid, nominates, err)
			}
			if c.kind == 0 {
				if answer != nil {
					t.Errorf("answered by %x", answer)
				}
				return
			}
			m, err := parseSTUN(answer)
			if err != nil || m.kind != c.kind || !m.authentic(us.Password) || !bytes.Equal(answer[4:20], c.pkt[4:20]) {
				t.Errorf("%+v, %v", m, err)
			}
			if len(answer) > 2*len(c.pkt) {
				t.Errorf("%d bytes answered by %d", len(c.pkt), len(answer))
			}
		})
	}
}

func TestValidICE(t *testing.T) {
	us := NewICE()
	for _, c := range []struct {
		fragment, password string
		want               bool
	}{
		{us.Fragment, us.Password, true},
		{"EsAw", "P2uYro0UCOQ4zxjKXaWCBui1", true},
		{"abc", strings.Repeat("x", 22), false},
		{"abcd", strings.Repeat("x", 21), false},
		{"ab:d", strings.Repeat("x", 22), false},
		{"abcd", strings.Repeat("x", 300), false},
	} {
		if got := ValidICE(c.fragment, c.password); got != c.want {
			t.Errorf("%q %q: %v", c.fragment, c.password, got)
		}
	}
	if a, b := NewICE(), NewICE(); a.Password == b.Password || a.Fragment == b.Fragment {
		t.Error("two agents of one name")
	}
}

// FuzzSTUN: nothing panics, nothing that is not signed has an answer, and no
// answer is much longer than what it answers.
func FuzzSTUN(f *testing.F) {
	us := &ICE{Fragment: "abcdefgh", Password: "0123456789abcdef0123456789", peer: "them"}
	f.Add(check("abcdefgh:them", us.Password, attrControlling, attrUseCandidate))
	f.Add(check("abcdefgh:them", us.Password, attrControlled))
	f.Add(check("x", "y"))
	f.Fuzz(func(t *testing.T, in []byte) {
		answer, valid, _, err := us.Take(in, netip.MustParseAddrPort("192.0.2.1:9"))
		if err != nil && (answer != nil || valid) {
			t.Fatal("a refused message has an answer")
		}
		if answer != nil {
			if m, err := parseSTUN(in); err != nil || !m.authentic(us.Password) {
				t.Fatal("answered what is not signed")
			}
			if m, err := parseSTUN(answer); err != nil || !m.authentic(us.Password) {
				t.Fatalf("%x: %v", answer, err)
			}
			if n := int(binary.BigEndian.Uint16(answer[2:])); n+stunHeader != len(answer) {
				t.Fatal("length of the answer")
			}
		}
	})
}
