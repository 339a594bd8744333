package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Header fields of a signature, as the Standard Webhooks specification 1.0 has
// them: HMAC-SHA256 of id, time and body.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// tolerance is how far the clock of who signed may be from ours.
const tolerance = 5 * time.Minute

// sign returns the header fields of a message; without a secret those without a signature.
func sign(secret, id string, at time.Time, body []byte) map[string]string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	h := map[string]string{headerID: id, headerTimestamp: stamp}
	if secret != "" {
		h[headerSignature] = "v1," + base64.StdEncoding.EncodeToString(mac(secret, id, stamp, body))
	}
	return h
}

// verify reports whether a message to the question with that id is signed. Of
// several signatures (a secret that is being changed) one has to fit.
func verify(secret, id string, h map[string]string, body []byte, now time.Time) bool {
	seconds, err := strconv.ParseInt(h[headerTimestamp], 10, 64)
	if err != nil || h[headerID] != id || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	want := mac(secret, id, h[headerTimestamp], body)
	for s := range strings.FieldsSeq(h[headerSignature]) {
		text, ok := strings.CutPrefix(s, "v1,")
		got, err := base64.StdEncoding.DecodeString(text)
		if ok && err == nil && hmac.Equal(got, want) {
			return true
		}
	}
	return false
}

func mac(secret, id, stamp string, body []byte) []byte {
	m := hmac.New(sha256.New, keyOf(secret))
	m.Write([]byte(id + "." + stamp + "."))
	m.Write(body)
	return m.Sum(nil)
}

// keyOf reads a secret: base64 behind "whsec_", or the bytes of the text itself.
func keyOf(secret string) []byte {
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if key, err := base64.StdEncoding.DecodeString(text); err == nil {
			return key
		}
	}
	return []byte(secret)
}
