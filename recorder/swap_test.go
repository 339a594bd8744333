package recorder

import (
	"bytes"
	"context"
	"testing"
	"time"

	"ringdown/recorder/store/storetest"
)

// two is a disk with a recording of each of two accounts.
func two(t *testing.T) (w *world, ids, names [2]string) {
	t.Helper()
	in(t, func(bubble *testing.T) {
		w = newWorld(bubble, &storetest.Memory{})
		for i, account := range []string{"demo", "other"} {
			info := info()
			info.Account = account
			r, err := w.rec.Open(context.Background(), info, nil)
			if err != nil {
				bubble.Fatal(err)
			}
			describe(r)
			talk(r, 1000*i, 1500*time.Millisecond)
			r.Close(time.Now())
			ids[i], names[i] = r.ID(), partName(account, r.ID(), r.info.Started, 1)
		}
	})
	w.t = t
	return w, ids, names
}

// What lies under a recording's name and belongs to another, both sealed and
// signed by this node, is never given out as it.
func TestSwappedBetweenAccounts(t *testing.T) {
	for _, c := range []struct {
		name    string
		endings []string
	}{
		{"file", []string{".ctr"}}, {"manifest", []string{".json"}}, {"both", []string{".ctr", ".json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, ids, names := two(t)
			for _, ending := range c.endings {
				w.disk.Put(names[0]+ending, w.disk.Bytes(names[1]+ending))
			}
			var out bytes.Buffer
			if err := w.rec.Export(context.Background(), ids[0], &out, "wav"); class(err) != "mismatch" || out.Len() > 0 {
				t.Errorf("exported %d bytes: %v", out.Len(), err)
			}
			if _, err := w.rec.Verify(context.Background(), ids[0], true); class(err) != "mismatch" {
				t.Errorf("verified: %v", err)
			}
			e, err := w.rec.Show(context.Background(), ids[0])
			if len(c.endings) == 1 && c.endings[0] == ".ctr" {
				return
			}
			if class(err) != "mismatch" {
				t.Errorf("shown: %+v, %v", e, err)
			}
		})
	}
}

// A manifest that does not verify costs its own recording the listing as a good
// one, and no other.
func TestListGoesOnBehindADamagedManifest(t *testing.T) {
	w, ids, names := two(t)
	for name, manifest := range map[string][]byte{
		"garbage":           []byte("{"),
		"of another":        w.disk.Bytes(names[1] + ".json"),
		"signed by nobody":  []byte(`{"manifest":{},"key_id":"node_1","signature":""}`),
		"cut in the middle": w.disk.Bytes(names[0] + ".json")[:100],
	} {
		t.Run(name, func(t *testing.T) {
			w.disk.Put(names[0]+".json", manifest)
			entries, err := w.rec.List(context.Background(), Filter{})
			if err != nil || len(entries) != 2 {
				t.Fatalf("%d entries: %v", len(entries), err)
			}
			if e := entries[0]; e.ID != ids[0] || e.Fault == nil || len(e.Parts) > 0 {
				t.Errorf("damaged: %+v", e)
			}
			if e := entries[1]; e.ID != ids[1] || e.Fault != nil || len(e.Parts) != 1 {
				t.Errorf("the other: %+v", e)
			}
		})
	}
}
