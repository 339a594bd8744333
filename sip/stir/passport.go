package stir

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kinds of PASSporT that are known here (the ppt of RFC 8225 8.1).
const (
	Shaken = "shaken" // RFC 8588: the originating provider attests the caller
	Div    = "div"    // RFC 8946: a called number sent the call on to another
)

const (
	maxHeader = 4096 // of one Identity header, as the screen lets through
	maxDest   = 8    // called numbers in one PASSporT
	maxOrigID = 64
)

// Passport is the content of a token (RFC 8225 4, 5). Numbers are digits only.
type Passport struct {
	Kind   string // Shaken or Div
	X5U    string // where the certificate is
	Attest string // of Shaken: "A", "B" or "C"
	OrigID string // of Shaken
	Orig   string // the caller
	Dest   []string
	Div    string // of Div: the number that sent the call on
	Issued time.Time
}

// The two halves of a token as JSON. The order of the fields is the canonical
// one (RFC 8225 9): by name, no white space.
type (
	head struct {
		Alg string `json:"alg"`
		Ppt string `json:"ppt,omitempty"`
		Typ string `json:"typ"`
		X5U string `json:"x5u"`
	}
	claims struct {
		Attest string   `json:"attest,omitempty"`
		Dest   *numbers `json:"dest"`
		Div    *caller  `json:"div,omitempty"`
		Iat    int64    `json:"iat"`
		Orig   *caller  `json:"orig"`
		OrigID string   `json:"origid,omitempty"`
	}
	numbers struct {
		TN []string `json:"tn"`
	}
	caller struct {
		TN string `json:"tn"`
	}
)

// parts are the two halves of p, encoded.
func (p *Passport) parts() (header, payload string, err error) {
	c := claims{Attest: p.Attest, Dest: &numbers{p.Dest}, Iat: p.Issued.Unix(), Orig: &caller{p.Orig}, OrigID: p.OrigID}
	if p.Kind == Div {
		c.Div = &caller{p.Div}
	}
	h, err := marshal(head{Alg: "ES256", Ppt: p.Kind, Typ: "passport", X5U: p.X5U})
	if err != nil {
		return "", "", err
	}
	b, err := marshal(c)
	if err != nil {
		return "", "", err
	}
	return base64.RawURLEncoding.EncodeToString(h), base64.RawURLEncoding.EncodeToString(b), nil
}

// marshal is JSON with nothing escaped that need not be: the & of a URL stays.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// token is one PASSporT as it came: what was signed, the signature, and what it says.
type token struct {
	passport  Passport
	signed    string
	signature []byte
}

// parse reads one Identity header (RFC 8224 4): the token and its parameters,
// which must say the same of the certificate, the algorithm and the kind. The
// compact form (RFC 8225 7) is not taken: none of the kinds known here allows it
// without the claims that only the full form carries (RFC 8588 6, RFC 8946 4.2).
func parse(value string) (*token, error) {
	if len(value) > maxHeader {
		return nil, fail(ReasonMalformed, "header is too long")
	}
	text, rest, _ := strings.Cut(value, ";")
	text = strings.TrimSpace(text)
	pieces := strings.Split(text, ".")
	if len(pieces) != 3 {
		return nil, fail(ReasonMalformed, "token has not three parts")
	}
	if pieces[0] == "" && pieces[1] == "" {
		return nil, fail(ReasonUnsupported, "token is in the compact form")
	}
	var h head
	var c claims
	if err := decode(pieces[0], &h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if h.Alg != "ES256" || h.Typ != "passport" || h.Ppt != Shaken && h.Ppt != Div {
		return nil, fail(ReasonUnsupported, "token is of a kind that is not known here")
	}
	if err := decode(pieces[1], &c); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(pieces[2])
	if err != nil || len(signature) != 64 {
		return nil, fail(ReasonMalformed, "signature is not 64 bytes of base64url")
	}
	t := &token{signed: pieces[0] + "." + pieces[1], signature: signature}
	if t.passport, err = content(h, c); err != nil {
		return nil, err
	}
	return t, agrees(rest, &h)
}

func decode(text string, into any) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return fail(ReasonMalformed, "not base64url")
	}
	if err := json.Unmarshal(b, into); err != nil { // its text would repeat the content
		return fail(ReasonMalformed, "not the JSON of a PASSporT")
	}
	return nil
}

// content holds the claims against what their kind demands.
func content(h head, c claims) (Passport, error) {
	p := Passport{Kind: h.Ppt, X5U: h.X5U, Attest: c.Attest, OrigID: c.OrigID, Issued: time.Unix(c.Iat, 0)}
	if c.Orig == nil || c.Dest == nil || c.Iat <= 0 || len(c.Dest.TN) == 0 || len(c.Dest.TN) > maxDest {
		return p, fail(ReasonMalformed, "a claim is missing")
	}
	p.Orig, p.Dest = digits(c.Orig.TN), slices.Clone(c.Dest.TN)
	for i := range p.Dest {
		p.Dest[i] = digits(p.Dest[i])
	}
	switch {
	case p.Orig == "" || slices.Contains(p.Dest, ""):
		return p, fail(ReasonMalformed, "a number is missing")
	case p.Kind == Shaken && p.Attest != "A" && p.Attest != "B" && p.Attest != "C":
		return p, fail(ReasonMalformed, "attest is neither A, B nor C")
	case p.Kind == Shaken && !plainID(p.OrigID):
		return p, fail(ReasonMalformed, "origid is no identifier")
	case p.Kind == Div && (c.Div == nil || digits(c.Div.TN) == ""):
		return p, fail(ReasonMalformed, "div names no number")
	}
	if p.Kind == Div {
		p.Div = digits(c.Div.TN)
	}
	return p, nil
}

// plainID: the origid goes into events, so that nothing but an identifier may be in it.
func plainID(s string) bool {
	return s != "" && len(s) <= maxOrigID && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	})
}

// agrees holds the parameters of the header field against the token's own words
// (RFC 8224 4.1: info is needed, alg and ppt must not differ).
func agrees(params string, h *head) error {
	info := ""
	for _, p := range strings.Split(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "info":
			info = strings.TrimSuffix(strings.TrimPrefix(value, "<"), ">")
		case "alg":
			if value != h.Alg {
				return fail(ReasonMalformed, "alg differs from the token's")
			}
		case "ppt":
			if value != h.Ppt {
				return fail(ReasonMalformed, "ppt differs from the token's")
			}
		}
	}
	if info == "" || info != h.X5U {
		return fail(ReasonMalformed, "info is not the token's x5u")
	}
	return nil
}
