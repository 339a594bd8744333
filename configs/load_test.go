package configs

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the wanted faults in testdata")

// Each bad file begins with the faults it must produce, exactly: "# want: " and
// the line without the file's name.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d bad files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, body := wanted(string(data))
			_, err = Load(path)
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want faults", err)
			}
			var got []string
			for line := range strings.Lines(faults.Error()) {
				got = append(got, strings.TrimPrefix(strings.TrimSuffix(line, "\n"), path+":"))
			}
			if slices.Equal(got, want) {
				return
			}
			if !*update {
				t.Fatalf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
			var text strings.Builder
			for range got { // the head is part of the file: with it, lines move
				text.WriteString("# want: \n")
			}
			if err := os.WriteFile(path, []byte(text.String()+body), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err = Load(path)
			if !errors.As(err, &faults) {
				t.Fatal(err)
			}
			out := "# want: " + strings.Join(strings.Split(strings.ReplaceAll(faults.Error(), path+":", ""), "\n"), "\n# want: ") + "\n" + body
			if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// wanted splits a bad file into the faults it asks for and the rest.
func wanted(text string) (want []string, body string) {
	for {
		line, rest, _ := strings.Cut(text, "\n")
		fault, ok := strings.CutPrefix(line, "# want: ")
		if !ok {
			return want, text
		}
		want, text = append(want, fault), rest
	}
}

func TestGoodFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.good.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no good files", err)
	}
	for _, path := range append(files, "quickstart.yaml", "example.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Setenv("RINGDOWN_HTTP_TOKEN", strings.Repeat("h", 40))
			t.Setenv("RINGDOWN_DIRECTORY_KEY", strings.Repeat("d", 40))
			t.Setenv("RINGDOWN_NATS_TOKEN", strings.Repeat("n", 40))
			t.Setenv("RINGDOWN_CARRIER_PASSWORD", "hunter2")
			t.Setenv("RINGDOWN_CARRIER_USER_PASSWORD", "hunter3")
			t.Setenv("RINGDOWN_PHONE_AGENT", "hunter4")
			t.Setenv("RINGDOWN_HOOK_SECRET", "hunter5")
			c, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range c.Warnings() {
				got = append(got, strings.TrimPrefix(w.String(), path+":"))
			}
			if want, _ := wanted(string(data)); !slices.Equal(got, want) {
				t.Errorf("warnings\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
}
