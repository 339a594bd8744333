package secure

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/pion/dtls/v3"
)

// Figures of a handshake.
const (
	handshakeTime = 30 * time.Second // from its first packet to its end
	waiting       = 16               // datagrams that wait to be read; more are lost and come again
	maxRecord     = 2048             // bytes of a datagram of it
)

// Pair is the two keys that a handshake makes.
type Pair struct{ Ours, Theirs Key }

// Wipe overwrites both.
func (p Pair) Wipe() {
	p.Ours.Wipe()
	p.Theirs.Wipe()
}

// Handshake makes keys with one party (RFC 5764) over datagrams that somebody else
// carries. It runs in goroutines of its own until [Handshake.Close].
type Handshake struct {
	conn *pipe
}

// DTLS says how a handshake goes.
type DTLS struct {
	Client bool          // we speak first: a=setup:active
	Peer   []Fingerprint // of which the party's certificate must have one
	// Send carries a datagram to the party. It may not wait, and not keep it.
	Send func([]byte) error
	// Done is called once, from a goroutine of the handshake: with the keys, or why
	// there are none. Errors name no key.
	Done func(Pair, error)
}

// profiles of the suites, the preferred first. Keys of short tags are not made.
var profiles = []struct {
	id    dtls.SRTPProtectionProfile
	suite Suite
}{
	{dtls.SRTP_AEAD_AES_256_GCM, AES256GCM},
	{dtls.SRTP_AEAD_AES_128_GCM, AES128GCM},
	{dtls.SRTP_AES128_CM_HMAC_SHA1_80, AES128CM80},
}

var errStranger = errors.New("certificate does not have the fingerprint that was signalled")

// Start begins a handshake.
func (i *Identity) Start(d DTLS) *Handshake {
	h := &Handshake{conn: newPipe(d.Send)}
	go i.run(d, h.conn) // until the pipe is closed, or the handshake has failed
	return h
}

// Take hands a datagram of the party's over. It never waits and keeps nothing of it.
func (h *Handshake) Take(pkt []byte) { h.conn.push(pkt) }

// Close ends the handshake, or what answers repetitions after it. It does not wait.
func (h *Handshake) Close() { h.conn.Close() }

func (i *Identity) run(d DTLS, conn *pipe) {
	defer conn.Close()
	session, err := i.session(d, conn)
	if err != nil {
		d.Done(Pair{}, fmt.Errorf("DTLS: %w", err))
		return
	}
	defer session.Close()
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	if err = session.HandshakeContext(ctx); err != nil {
		d.Done(Pair{}, fmt.Errorf("DTLS: %w", err))
		return
	}
	keys, err := export(session, d.Client)
	if d.Done(keys, err); err != nil {
		return
	}
	var none [1]byte
	for err == nil || !errors.Is(err, io.EOF) { // nobody has anything to say here; reading answers repetitions
		_, err = session.Read(none[:])
	}
}

// session refuses whoever shows another certificate than was signalled before any
// key is made, and every session that could be spliced (RFC 7627).
func (i *Identity) session(d DTLS, conn net.PacketConn) (*dtls.Conn, error) {
	offered := make([]dtls.SRTPProtectionProfile, len(profiles))
	for n, p := range profiles {
		offered[n] = p.id
	}
	options := []dtls.Option{
		dtls.WithCertificates(i.certificate),
		dtls.WithSRTPProtectionProfiles(offered...),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true), // the fingerprint says who it is
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			for _, f := range d.Peer {
				if len(raw) > 0 && f.of(raw[0]) {
					return nil
				}
			}
			return errStranger
		}),
	}
	if d.Client {
		all := make([]dtls.ClientOption, len(options))
		for n, o := range options {
			all[n] = o
		}
		return dtls.ClientWithOptions(conn, conn.LocalAddr(), all...)
	}
	all := make([]dtls.ServerOption, len(options), len(options)+1)
	for n, o := range options {
		all[n] = o
	}
	return dtls.ServerWithOptions(conn, conn.LocalAddr(), append(all, dtls.WithClientAuth(dtls.RequireAnyClientCert))...)
}

// export makes the keys of both ways (RFC 5764 4.2).
func export(session *dtls.Conn, client bool) (Pair, error) {
	id, ok := session.SelectedSRTPProtectionProfile()
	state, done := session.ConnectionState()
	if !ok || !done {
		return Pair{}, errors.New("DTLS: no profile of SRTP was agreed on")
	}
	for _, p := range profiles {
		if p.id != id {
			continue
		}
		row := table[p.suite]
		secret, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*p.suite.size())
		if err != nil {
			return Pair{}, fmt.Errorf("DTLS: %w", err)
		}
		defer clear(secret)
		keys, salts := secret[:2*row.key], secret[2*row.key:]
		ours := keyOf(p.suite, keys[:row.key], salts[:row.salt])
		theirs := keyOf(p.suite, keys[row.key:], salts[row.salt:])
		if !client {
			ours, theirs = theirs, ours
		}
		return Pair{ours, theirs}, nil
	}
	return Pair{}, errors.New("DTLS: a profile of SRTP that was not offered")
}
