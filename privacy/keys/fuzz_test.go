package keys

import "testing"

func FuzzJournal(f *testing.F) {
	whole := appendHead(nil, journalMagic, headSize)
	for _, r := range []row{
		newRow(rowEpoch, []byte("eu"), make([]byte, 4), make([]byte, 8), []byte("check")),
		newRow(rowAccount, []byte("demo"), []byte("k"), []byte("i")),
		newRow(rowSubject, []byte("demo"), []byte("sub_1"), []byte("k"), nil),
		newRow(rowRecording, []byte("key_1"), []byte("demo"), []byte("sub_1"), []byte("rec_1"), []byte("k")),
		newRow(rowSecret, []byte("outbox"), []byte("k")),
	} {
		whole = appendFrame(whole, r.append(nil))
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte(journalMagic))
	gone, err := loadErased(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseJournal(b, journalMagic)
		if err != nil {
			return
		}
		if c.good+c.torn != int64(len(b)) {
			t.Fatalf("%d good, %d torn of %d", c.good, c.torn, len(b))
		}
		tree, _, err := load(c.rows, gone)
		if err != nil {
			return
		}
		var again []byte
		for r := range tree.rows() {
			again = r.append(again)
		}
		rows := 0
		for len(again) > 0 {
			if _, again, err = readRow(again); err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			rows++
		}
		if rows > len(c.rows) {
			t.Fatalf("%d rows became %d", len(c.rows), rows)
		}
	})
}
