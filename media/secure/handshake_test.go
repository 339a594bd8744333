package secure

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type outcome struct {
	keys Pair
	err  error
}

// meeting lets two identities shake hands over a network that loses every nth
// datagram, and returns what each end came to.
func meeting(t *testing.T, a, b *Identity, expectOfA, expectOfB []Fingerprint, lose int32) (ofA, ofB outcome) {
	t.Helper()
	var sent atomic.Int32
	results := [2]chan outcome{make(chan outcome, 1), make(chan outcome, 1)}
	var ends [2]atomic.Pointer[Handshake]
	start := func(me *Identity, n int, expect []Fingerprint) {
		ends[n].Store(me.Start(DTLS{
			Client: n == 0, Peer: expect,
			Send: func(pkt []byte) error {
				if i := sent.Add(1); lose > 0 && i%lose == 0 {
					return nil
				}
				if peer := ends[1-n].Load(); peer != nil && IsDTLS(pkt) {
					peer.Take(pkt)
				}
				return nil
			},
			Done: func(k Pair, err error) { results[n] <- outcome{k, err} },
		}))
	}
	start(b, 1, expectOfA)
	start(a, 0, expectOfB)
	ofA, ofB = <-results[0], <-results[1]
	for n := range ends {
		ends[n].Load().Close()
	}
	synctest.Wait()
	return ofA, ofB
}

func identity(t testing.TB) *Identity {
	t.Helper()
	i, err := NewIdentity(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Both ends come to the same keys, crosswise, also when datagrams are lost.
func TestHandshake(t *testing.T) {
	for _, lose := range []int32{0, 5, 3} {
		synctest.Test(t, func(t *testing.T) {
			a, b := identity(t), identity(t)
			ofA, ofB := meeting(t, a, b, []Fingerprint{a.Fingerprint()}, []Fingerprint{b.Fingerprint()}, lose)
			if ofA.err != nil || ofB.err != nil {
				t.Fatalf("losing each %dth: %v, %v", lose, ofA.err, ofB.err)
			}
			if !ofA.keys.Ours.Equal(ofB.keys.Theirs) || !ofB.keys.Ours.Equal(ofA.keys.Theirs) || ofA.keys.Ours.Equal(ofA.keys.Theirs) {
				t.Error("the ends have other keys")
			}
			if got := ofA.keys.Ours.Suite(); got != AES256GCM {
				t.Errorf("agreed on %v", got)
			}
			sealer, err := NewSealer(ofA.keys.Ours)
			if err != nil {
				t.Fatal(err)
			}
			opener, err := NewOpener(ofB.keys.Theirs)
			if err != nil {
				t.Fatal(err)
			}
			pkt := rtpPacket(1, 1, "hello")
			want := bytes.Clone(pkt)
			sealed, _ := sealer.RTP(pkt)
			if got, err := opener.RTP(sealed, 0); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%x, %v", got, err)
			}
		})
	}
}

// Another certificate than the one signalled makes no key, whichever end shows it.
func TestStrangerMakesNoKey(t *testing.T) {
	for _, client := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			a, b, other := identity(t), identity(t), identity(t)
			ofA, ofB := []Fingerprint{a.Fingerprint()}, []Fingerprint{b.Fingerprint()}
			if client {
				ofA = []Fingerprint{other.Fingerprint()}
			} else {
				ofB = []Fingerprint{other.Fingerprint()}
			}
			gotA, gotB := meeting(t, a, b, ofA, ofB, 0)
			judge := gotA
			if client {
				judge = gotB
			}
			if judge.err == nil || !strings.Contains(judge.err.Error(), "fingerprint") || !judge.keys.Ours.IsZero() {
				t.Errorf("%+v", judge.err)
			}
		})
	}
}

// Who gets nonsense, or nothing at all, gives up in time and leaves nothing behind.
func TestHandshakeWithNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := identity(t)
		for _, client := range []bool{true, false} {
			done := make(chan outcome, 1)
			h := i.Start(DTLS{Client: client, Peer: []Fingerprint{i.Fingerprint()},
				Send: func([]byte) error { return nil }, Done: func(k Pair, err error) { done <- outcome{k, err} }})
			for n := range 1000 {
				h.Take(bytes.Repeat([]byte{22, 254, 253, byte(n)}, 10))
			}
			if got := <-done; got.err == nil || !got.keys.Ours.IsZero() {
				t.Errorf("client %v: %+v", client, got)
			}
			h.Close()
		}
		synctest.Wait()
	})
}

func TestParseFingerprint(t *testing.T) {
	i := identity(t)
	text := i.Fingerprint().String()
	if f, err := ParseFingerprint(strings.ToLower(text)); err != nil || !f.Equal(i.Fingerprint()) || !f.of(i.certificate.Certificate[0]) {
		t.Errorf("%v, %v", f, err)
	}
	for _, bad := range []string{
		"", "sha-256", "sha-1 " + text[8:67], "md5 00:11", "sha-256 " + text[8:100], text + ":00",
		strings.Replace(text, ":", "-", 1), "sha-256 " + strings.Repeat("ZZ:", 31) + "ZZ", "sha-512 " + text[8:],
	} {
		if _, err := ParseFingerprint(bad); !errors.Is(err, ErrFingerprint) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if all, err := ParseFingerprints([]string{"sha-1 00", text, text}); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := ParseFingerprints(nil); !errors.Is(err, ErrFingerprint) {
		t.Errorf("none: %v", err)
	}
	if s := (Fingerprint{}).String(); s != "none" {
		t.Errorf("%q", s)
	}
}

func FuzzParseFingerprint(f *testing.F) {
	f.Add("sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:5E:EA:6F:AF:52:CE:E6:0F")
	f.Add("sha-512 00:")
	f.Fuzz(func(t *testing.T, in string) {
		p, err := ParseFingerprint(in)
		if err != nil {
			return
		}
		if again, err := ParseFingerprint(p.String()); err != nil || !again.Equal(p) {
			t.Fatalf("%q became %q: %v", in, p, err)
		}
	})
}
