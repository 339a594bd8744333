package recorder

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"ringdown/recorder/render"
	"ringdown/recorder/store/storetest"
)

var update = flag.Bool("update", false, "seal the golden recording anew: only with a new version of the format")

// golden is testdata/call.keys.json: all that is needed to open testdata/call.ctr.
type golden struct {
	Recording string `json:"recording"`
	KeyRef    string `json:"key_ref"`
	Key       string `json:"key"`        // of the recording, hex
	PublicKey string `json:"public_key"` // of the node that signed, hex
	WAV       string `json:"wav_sha256"` // what it must sound like, hex
	Packets   uint64 `json:"packets_each"`
}

// A recording sealed once has to open for ever, and sound the same.
func TestGoldenRecording(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	b, err := os.ReadFile("testdata/call.keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	held := newFakeKeys()
	held.deks[g.KeyRef] = unhex(t, g.Key)
	rec, err := New(Config{}, Deps{Keys: foreignNode{held, unhex(t, g.PublicKey)}, Store: &storetest.Memory{}, Renderers: map[string]Renderer{"wav": render.WAV}})
	if err != nil {
		t.Fatal(err)
	}
	ms, err := rec.Verify(context.Background(), "testdata/call.ctr", true)
	if err != nil {
		t.Fatal(err)
	}
	if m := ms[0]; m.Recording != g.Recording || m.Caller.Packets != g.Packets || m.Callee.Packets != g.Packets || m.DurationMS != 1000 || m.Result != OK {
		t.Errorf("manifest %+v", m)
	}
	file, err := os.ReadFile("testdata/call.ctr")
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.unlock(held); err != nil {
		t.Fatal(err)
	}
	x := &reading{ctx: context.Background(), parts: []*sealedFile{f}}
	var wav bytes.Buffer
	if err := render.WAV(context.Background(), &wav, x.open, render.Dual); err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(wav.Bytes()); hex.EncodeToString(sum[:]) != g.WAV {
		t.Errorf("it sounds different: %x", sum)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// foreignNode is a key store whose manifests were signed elsewhere.
type foreignNode struct {
	*fakeKeys
	public ed25519.PublicKey
}

func (f foreignNode) PublicKey(string) (ed25519.PublicKey, error) { return f.public, nil }

func writeGolden(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		n := talk(r, 0, time.Second)
		r.Close(time.Now())
		name := w.file(".ctr")
		var wav bytes.Buffer
		if err := w.rec.Export(context.Background(), r.ID(), &wav, "wav"); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(wav.Bytes())
		g := golden{
			Recording: r.ID(), KeyRef: "kr_1", Key: hex.EncodeToString(w.keys.deks["kr_1"]),
			PublicKey: hex.EncodeToString(w.keys.signer.Public().(ed25519.PublicKey)),
			WAV:       hex.EncodeToString(sum[:]), Packets: uint64(n),
		}
		b, err := json.MarshalIndent(g, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		for file, b := range map[string][]byte{
			"call.ctr": w.disk.Bytes(name + ".ctr"), "call.json": w.disk.Bytes(name + ".json"), "call.keys.json": append(b, '\n'),
		} {
			if err := os.WriteFile("testdata/"+file, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
}
