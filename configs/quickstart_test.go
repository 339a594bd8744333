package configs

import "testing"

// The quick start works as it stands, without a word of warning, and ordinary
// softphones are heard: on one machine they send from another address than they
// describe.
func TestQuickstartTakesSoftphones(t *testing.T) {
	c, err := Load("quickstart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %v", w)
	}
	if rule := c.Trunks[0].MediaRule; rule != "latch" {
		t.Errorf("the trunk's media rule is %q", rule)
	}
}
