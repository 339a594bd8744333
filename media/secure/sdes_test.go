package secure

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const (
	key30 = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"                         // RFC 4568 9.1
	key46 = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Ng==" // 46 bytes
)

func TestParseCrypto(t *testing.T) {
	for _, c := range []struct {
		name, in string
		tag      uint32
		suite    Suite
		mki      string
		fault    string
	}{
		{"plain", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30, 1, AES128CM80, "", ""},
		{"lifetime and MKI", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:4", 1, AES128CM80, "\x00\x00\x00\x01", ""},
		{"lifetime in figures", "7 AES_CM_128_HMAC_SHA1_32 inline:" + key30 + "|1048576", 7, AES128CM32, "", ""},
		{"MKI alone", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|258:2", 1, AES128CM80, "\x01\x02", ""},
		{"window hint", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " WSH=128", 1, AES128CM80, "", ""},
		{"what may be ignored", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " -KIND=2", 1, AES128CM80, "", ""},
		{"256 bits", "2 AES_256_CM_HMAC_SHA1_80 inline:" + key46, 2, AES256CM80, "", ""},
		{"256 bits without padding", "2 AES_256_CM_HMAC_SHA1_32 inline:" + strings.TrimRight(key46, "="), 2, AES256CM32, "", ""},
		{"words swapped", "2 AES_CM_256_HMAC_SHA1_80 inline:" + key46, 2, AES256CM80, "", ""},
		{"small letters", "2 aes_cm_128_hmac_sha1_80 INLINE:" + key30, 2, AES128CM80, "", ""},
		{"one word short", "1 AES_CM_128_HMAC_SHA1_80", 0, 0, "", "fewer than three words"},
		{"tag", "x AES_CM_128_HMAC_SHA1_80 inline:" + key30, 0, 0, "", "tag is not"},
		{"tag too long", "1234567890 AES_CM_128_HMAC_SHA1_80 inline:" + key30, 0, 0, "", "tag is not"},
		{"suite", "1 F8_128_HMAC_SHA1_80 inline:" + key30, 0, 0, "", "suite is not known"},
		{"192 bits", "1 AES_192_CM_HMAC_SHA1_80 inline:" + key30, 0, 0, "", "suite is not known"},
		{"key too short", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30[:36], 0, 0, "", "key is not 30 bytes"},
		{"key of another suite", "1 AEAD_AES_128_GCM inline:" + key30, 0, 0, "", "key is not 28 bytes"},
		{"no base64", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30[:39] + "!", 0, 0, "", "key is not 30 bytes"},
		{"two keys", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|1:4;inline:" + key30 + "|2:4", 0, 0, "", "more than one key"},
		{"key method", "1 AES_CM_128_HMAC_SHA1_80 clear:" + key30, 0, 0, "", "not inline"},
		{"lifetime too long", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^49", 0, 0, "", "lifetime"},
		{"no lifetime at all", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|0", 0, 0, "", "lifetime"},
		{"MKI wider than its bytes", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|256:1", 0, 0, "", "MKI"},
		{"MKI of no bytes", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|1:0", 0, 0, "", "MKI"},
		{"MKI too long", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|1:129", 0, 0, "", "MKI"},
		{"something behind it", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:4|9", 0, 0, "", "more behind the key"},
		{"not encrypted", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNENCRYPTED_SRTP", 0, 0, "", "UNENCRYPTED_SRTP is not accepted"},
		{"RTCP not encrypted", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNENCRYPTED_SRTCP", 0, 0, "", "UNENCRYPTED_SRTCP is not accepted"},
		{"not authenticated", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNAUTHENTICATED_SRTP", 0, 0, "", "UNAUTHENTICATED_SRTP is not accepted"},
		{"derivation rate", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " KDR=1", 0, 0, "", "KDR is not accepted"},
		{"unknown parameter", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " KIND=2", 0, 0, "", "unknown session parameter"},
		{"window too small", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " WSH=63", 0, 0, "", "WSH"},
		{"too long", "1 AES_CM_128_HMAC_SHA1_80 inline:" + strings.Repeat("A", 600), 0, 0, "", "bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseCrypto(c.in)
			if c.fault != "" {
				if !errors.Is(err, ErrCrypto) || !strings.Contains(err.Error(), c.fault) {
					t.Fatalf("%v, want %q", err, c.fault)
				}
				if strings.Contains(err.Error(), key30[:8]) {
					t.Errorf("the key is in the error: %v", err)
				}
				return
			}
			if err != nil || got.Tag != c.tag || got.Key.Suite() != c.suite || string(got.Key.mki) != c.mki {
				t.Errorf("%+v %q, %v", got, got.Key.mki, err)
			}
		})
	}
}

// What we write is what we read, and an answer keeps the name that was offered.
func TestCryptoLine(t *testing.T) {
	for _, ours := range Offer([]Suite{AES256GCM, AES128GCM, AES256CM80, AES256CM32, AES128CM80, AES128CM32}) {
		again, err := ParseCrypto(ours.Line())
		if err != nil || again.Tag != ours.Tag || !again.Key.Equal(ours.Key) {
			t.Errorf("%v: %+v, %v", ours.Key, again, err)
		}
	}
	theirs, err := ParseCrypto("3 AES_CM_256_HMAC_SHA1_80 inline:" + key46 + "|2^31|1:1")
	if err != nil {
		t.Fatal(err)
	}
	ours := NewKey(AES256CM80)
	if got := theirs.Accept(ours).Line(); !strings.HasPrefix(got, "3 AES_CM_256_HMAC_SHA1_80 inline:") || strings.Contains(got, "|") {
		t.Errorf("%d bytes beginning %q", len(got), got[:30])
	}
}

// No way of printing shows a key.
func TestKeyIsNeverPrinted(t *testing.T) {
	c, err := ParseCrypto("1 AES_CM_128_HMAC_SHA1_80 inline:" + key30)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.StdEncoding.DecodeString(key30)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", c.Key, "all", c, "in", struct{ K any }{&c.Key})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", c.Key, "all", c, "in", []Key{c.Key})
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(text) + fmt.Sprintf("%v %+v %#v %s %x %q %d %v %+v", c, c, c.Key, c.Key, c.Key, c.Key, c.Key, &c, []Key{c.Key})
	for _, secret := range []string{key30, string(raw), fmt.Sprintf("%x", raw), fmt.Sprint(raw), key30[:10]} {
		if strings.Contains(all, secret) {
			t.Errorf("%q shows the key", all)
		}
	}
	if !strings.Contains(all, "key for AES_CM_128_HMAC_SHA1_80") {
		t.Errorf("%q does not say what it is", all)
	}
}

func TestWipe(t *testing.T) {
	k := NewKey(AES128GCM)
	same := k
	if k.Wipe(); !k.Equal(Key{suite: AES128GCM, bytes: make([]byte, 28)}) || !same.Equal(k) {
		t.Error("the key is still there")
	}
}

func TestKeysDiffer(t *testing.T) {
	if NewKey(AES128GCM).Equal(NewKey(AES128GCM)) || NewKey(AES128GCM).IsZero() || !(Key{}).IsZero() {
		t.Error("two keys are the same")
	}
}

// FuzzParseCrypto: what is read is written so that it is read as the same, and no
// error holds more of the line than its words of ours.
func FuzzParseCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:4 WSH=64 -X")
	f.Add("1 AES_256_CM_HMAC_SHA1_32 inline:" + key46)
	f.Add("1 AEAD_AES_128_GCM inline:" + key30 + ";inline:" + key30)
	f.Fuzz(func(t *testing.T, in string) {
		c, err := ParseCrypto(in)
		if err != nil {
			if !errors.Is(err, ErrCrypto) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if _, err := NewOpener(c.Key); err != nil {
			t.Fatalf("key that no context takes: %v", err)
		}
		again, err := ParseCrypto(c.Line())
		if err != nil || again.Tag != c.Tag || string(again.Key.bytes) != string(c.Key.bytes) {
			t.Fatalf("%v: %+v", err, again)
		}
	})
}
