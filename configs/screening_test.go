package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each example of docs/screening.md is a file that can be used as it stands.
func TestExamplesOfScreening(t *testing.T) {
	text, err := os.ReadFile("../docs/screening.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for rest := string(text); ; examples++ {
		_, behind, found := strings.Cut(rest, "\n```yaml\n")
		if !found {
			break
		}
		example, after, _ := strings.Cut(behind, "\n```")
		rest = after
		file := filepath.Join(t.TempDir(), "example.yaml")
		if err := os.WriteFile(file, []byte(example+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(file)
		if err != nil {
			t.Errorf("%v\nin\n%s", err, example)
			continue
		}
		for _, w := range c.Warnings() {
			t.Errorf("warns: %s", w)
		}
	}
	if examples != 3 {
		t.Errorf("%d examples", examples)
	}
}
