package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// house says who may import whom: our rooms first, then modules of others. A
// room without a row fails. Test files may also import what testsMay lists.
var house = map[string]struct{ ours, others string }{
	"privacy":                  {},
	"privacy/seal":             {},
	"privacy/keys":             {ours: "privacy privacy/seal privacy/keys/filekeys"},
	"privacy/keys/filekeys":    {ours: "privacy/seal"},
	"privacy/keys/keystest":    {ours: "privacy/keys privacy/seal"},
	"media":                    {ours: "media/dscp"},
	"media/dscp":               {},
	"media/sdp":                {ours: "media"},
	"media/codec":              {ours: "media", others: "github.com/zaf/g711 github.com/thesyncim/gopus"},
	"media/digits":             {ours: "media"},
	"media/quality":            {ours: "media", others: "github.com/pion/rtcp"},
	"media/relay":              {ours: "media media/quality media/codec media/digits media/dscp media/kernel media/sdp media/secure media/sound", others: "github.com/pion/rtp github.com/pion/rtcp golang.org/x/sys"},
	"media/kernel":             {others: "github.com/cilium/ebpf golang.org/x/sys"},
	"media/secure":             {others: "github.com/pion/srtp/v3 github.com/pion/dtls/v3 github.com/pion/rtp github.com/pion/rtcp"},
	"media/ear":                {ours: "media media/codec"},
	"media/prompts":            {},
	"media/sound":              {ours: "media/prompts", others: "github.com/zaf/g711"},
	"media/mediatest/hosts":    {others: "golang.org/x/sys"},
	"media/mediatest":          {ours: "media media/dscp", others: "github.com/pion/rtp github.com/zaf/g711"},
	"recorder/store":           {},
	"recorder/store/storetest": {ours: "recorder/store"},
	"recorder/format":          {ours: "media"},
	"recorder/render":          {ours: "media media/codec recorder/format", others: "github.com/zaf/g711"},
	"recorder":                 {ours: "media events privacy privacy/seal privacy/keys recorder/format recorder/render recorder/store"},
	"routing":                  {ours: "media/digits media/dscp privacy"},
	"routing/hook":             {ours: "routing"},
	"routing/directory":        {ours: "routing privacy/seal", others: "github.com/nats-io/nats.go github.com/nats-io/nats-server/v2"}, // the broker itself in its tests only
	"events":                   {ours: "privacy"},
	"events/outbox":            {ours: "events privacy/seal"},
	"events/natsbus":           {ours: "events events/outbox", others: "github.com/nats-io/nats.go github.com/nats-io/nats-server/v2"},
	"call":                     {ours: "routing media events privacy"},
	"sip":                      {ours: "call media media/digits media/dscp privacy routing sip/digest sip/locate sip/stir", others: "github.com/emiago/sipgo github.com/gobwas/ws"},
	"sip/digest":               {},
	"sip/locate":               {others: "github.com/miekg/dns"},
	"sip/locate/dnstest":       {others: "github.com/miekg/dns"},
	"sip/stir/stirtest":        {},
	"sip/stir":                 {others: "golang.org/x/sync"},
	"sip/siptest":              {ours: "", others: "github.com/zaf/g711"},
	"api":                      {ours: "call recorder recorder/render privacy privacy/keys"},
	"configs": {ours: "api call events/natsbus events/outbox media/prompts media/relay media/sound privacy/keys privacy/keys/filekeys recorder routing routing/directory routing/hook sip",
		others: "github.com/goccy/go-yaml"},
	"bench/bare":    {ours: "media media/relay media/sdp privacy privacy/keys recorder recorder/store"},
	"bench/interop": {ours: "media media/codec media/digits sip/siptest sip/locate/dnstest sip/stir sip/stir/stirtest", others: "github.com/nats-io/nats.go github.com/thesyncim/gopus github.com/zaf/g711 golang.org/x/sys"},
	"bench":         {ours: "sip/siptest", others: "golang.org/x/sys golang.org/x/sync"},
	"cmd/ringdown":  {ours: "*", others: "golang.org/x/sync"},
}

// testsMay lists what only tests may import.
const testsMay = "github.com/zaf/g711 pgregory.net/rapid github.com/santhosh-tekuri/jsonschema/v6 golang.org/x/text"

func TestImportsFollowTheHouse(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != root || d.Name() == "testdata") && d.Name() != ".." {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		room := filepath.ToSlash(rel)
		seen[room] = true
		checkImports(t, room, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) < 15 {
		t.Errorf("only %d rooms were read", len(seen))
	}
	for room := range house {
		if !seen[room] {
			t.Errorf("%s has a row but no file", room)
		}
	}
}

func checkImports(t *testing.T, room, file string) {
	row, ok := house[room]
	if !ok {
		t.Errorf("%s: room %s has no row in the table of the house", file, room)
		return
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	test := strings.HasSuffix(file, "_test.go")
	for _, i := range parsed.Imports {
		name := strings.Trim(i.Path.Value, `"`)
		if ours, ok := strings.CutPrefix(name, "ringdown/"); ok {
			if row.ours != "*" && ours != room && !slices.Contains(strings.Fields(row.ours), ours) && !(test && forTests(room, ours)) {
				t.Errorf("%s: %s may not import %s", file, room, ours)
			}
			continue
		}
		if !strings.Contains(strings.Split(name, "/")[0], ".") {
			continue // the standard library
		}
		allowed := strings.Fields(row.others)
		if test {
			allowed = append(allowed, strings.Fields(testsMay)...)
		}
		if !slices.ContainsFunc(allowed, func(m string) bool { return name == m || strings.HasPrefix(name, m+"/") }) {
			t.Errorf("%s: %s may not import %s", file, room, name)
		}
	}
}

// forTests: helpers named after the room they serve, and the floor below.
func forTests(room, ours string) bool {
	base := path.Base(ours)
	return strings.HasSuffix(base, "test") || strings.HasPrefix(ours, "privacy/") || strings.HasPrefix(ours, room+"/") ||
		strings.HasPrefix(ours, "media/mediatest/")
}
