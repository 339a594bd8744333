package events

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiler holds every file of schema/ under its $id.
func compiler(t *testing.T) *jsonschema.Compiler {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	files, err := Schemas.ReadDir("schema")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := Schemas.ReadFile("schema/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", f.Name(), err)
		}
		id := SchemaID(strings.TrimSuffix(f.Name(), ".json"))
		if got := doc.(map[string]any)["$id"]; got != id {
			t.Errorf("%s: $id %v, want %s", f.Name(), got, id)
		}
		if err := c.AddResource(id, doc); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func compile(t *testing.T, c *jsonschema.Compiler, name string) *jsonschema.Schema {
	t.Helper()
	s, err := c.Compile(SchemaID(name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGoldensMatchSchemas(t *testing.T) {
	c := compiler(t)
	env := compile(t, c, "envelope")
	for _, typ := range Types() {
		b, err := os.ReadFile(filepath.Join("testdata", typ+".json"))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := env.Validate(doc); err != nil {
			t.Errorf("%s: envelope: %v", typ, err)
		}
		s := compile(t, c, typ)
		data := doc.(map[string]any)["data"].(map[string]any)
		if err := s.Validate(data); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
		data["a_later_field"] = true
		if err := s.Validate(data); err != nil {
			t.Errorf("%s: a field of a later version is refused: %v", typ, err)
		}
		for name := range data {
			gone := make(map[string]any)
			for k, v := range data {
				if k != name {
					gone[k] = v
				}
			}
			if refused, required := s.Validate(gone) != nil, slices.Contains(requiredOf(t, typ), name); refused != required {
				t.Errorf("%s without %s: refused %v, required %v", typ, name, refused, required)
			}
		}
	}
}

// TestSchemasRefuse keeps the schemas from accepting anything at all.
func TestSchemasRefuse(t *testing.T) {
	c := compiler(t)
	for name, bad := range map[string]string{
		"envelope":            `{"specversion":"1.0"}`,
		CallReceived:          `{"transport":"udp","direction":"inbound","caller":{"masked":"x"},"tracking_number":"agent"}`,
		CallEnded:             `{"status":"completed"}`,
		LegCreated:            `{"leg":"call_01ARZ3NDEKTSV4RRFFQ69G5FAV","role":"a","attempt":0}`,
		RecordingCompleted:    `{"recording":"r"}`,
		MediaPlayed:           `{"sound":"beep","side":"caller","complete":true,"played_ms":-1,"times":1,"end":"finished"}`,
		MediaStarted:          `{"side":"caller","payload_type":128}`,
		MediaOneWay:           `{"leg":"leg_01ARZ3NDEKTSV4RRFFQ69G5FAV","side":"caller","state":"began","verdict":"unlucky","since":"2026-03-01T12:00:00.000Z","lasted_ms":1}`,
		"common#/$defs/stamp": `"2026-03-01T12:00:00+01:00"`,
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		if compile(t, c, name).Validate(doc) == nil {
			t.Errorf("%s accepts %s", name, bad)
		}
	}
}

type schemaFile struct {
	Properties map[string]struct {
		Ref string `json:"$ref"`
	} `json:"properties"`
	Required []string              `json:"required"`
	Defs     map[string]schemaFile `json:"$defs"`
}

func readSchema(t *testing.T, name string) schemaFile {
	t.Helper()
	b, err := Schemas.ReadFile("schema/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var s schemaFile
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func requiredOf(t *testing.T, typ string) []string { return readSchema(t, typ).Required }

// TestSchemasAndStructsAgree: every field is in the schema, every property is a
// field, and what is never left out is required.
func TestSchemasAndStructsAgree(t *testing.T) {
	for _, e := range samples() {
		agree(t, e.Type, reflect.TypeOf(e.Data), readSchema(t, e.Type))
	}
	defs := readSchema(t, "common").Defs
	for name, v := range map[string]any{"party": Party{}, "cause": Cause{}, "look": Look{}, "caller_class": CallerClass{}, "destination": Destination{}, "diverted": Diverted{}, "attestation": Attestation{}, "media_reported": MediaReported{}, "media_flow": MediaFlow{}, "step_trial": StepTrial{}, "media_totals": MediaTotals{}} {
		agree(t, name, reflect.TypeOf(v), defs[name])
	}
}

func agree(t *testing.T, name string, typ reflect.Type, s schemaFile) {
	t.Helper()
	fields := make(map[string]bool)
	for f := range typ.Fields() {
		tag, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[tag] = true
		if _, ok := s.Properties[tag]; !ok {
			t.Errorf("%s: field %s is not in the schema", name, tag)
		}
		if always := opts != "omitempty"; always != slices.Contains(s.Required, tag) {
			t.Errorf("%s: field %s: always written %v, required %v", name, tag, always, !always)
		}
	}
	for p := range s.Properties {
		if !fields[p] {
			t.Errorf("%s: property %s is not a field", name, p)
		}
	}
}

// TestPapers: what is written for people names every type and field.
func TestPapers(t *testing.T) {
	md, err := os.ReadFile("SCHEMA.md")
	if err != nil {
		t.Fatal(err)
	}
	async, err := os.ReadFile("asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range Types() {
		_, section, ok := strings.Cut(string(md), "\n### `"+typ+"`\n")
		if !ok {
			t.Errorf("SCHEMA.md does not tell of %s", typ)
			continue
		}
		section, _, _ = strings.Cut(section, "\n##")
		for p := range readSchema(t, typ).Properties {
			if !strings.Contains(section, "| `"+p+"` |") {
				t.Errorf("SCHEMA.md: %s does not tell of %s", typ, p)
			}
		}
		for _, want := range []string{"name: " + typ + "\n", "type: {const: " + typ + "}", "$ref: ./schema/" + typ + ".json"} {
			if !strings.Contains(string(async), want) {
				t.Errorf("asyncapi.yaml lacks %q", want)
			}
		}
	}
}
