package configs

import (
	"os"
	"regexp"
	"testing"
)

// Each example of docs/numbers.md is a configuration that is right.
func TestExamplesOfNumbers(t *testing.T) {
	text, err := os.ReadFile("../docs/numbers.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(examples) != 3 {
		t.Errorf("%d examples", len(examples))
	}
	t.Setenv("RINGDOWN_NATS_TOKEN", "x")
	for i, example := range examples {
		if c, faults := read("numbers.md", example[1]); len(faults) > 0 || c.Table().Len() == 0 {
			t.Errorf("example %d: %v", i+1, faults)
		}
	}
}
