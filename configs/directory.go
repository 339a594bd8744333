package configs

import (
	"reflect"

	"ringdown/routing"
	"ringdown/routing/directory"
)

// checkDirectory looks across sections: what the directory keeps does not stand
// in the file too, and nodes that share it need a key that they share.
func (c *Config) checkDirectory(report func(path, msg string)) {
	if !c.Directory.Enabled {
		return
	}
	const there = "is kept in the directory; take it out of the file, ringdown directory import FILE moves it there"
	if len(c.Accounts) > 0 {
		report("accounts", there)
	}
	if len(c.Numbers) > 0 {
		report("numbers", there)
	}
	if len(c.Flows) > 0 {
		report("flows", there)
	}
	if c.Directory.Key == "" && (!c.NATS.Embedded || c.NATS.Listen != "") {
		report("directory.key", "is missing: nodes that share a broker share the key that the directory is sealed under")
	}
}

// Reveal reads what a reference to a secret stands for; msg says why it cannot.
func Reveal(reference string) (secret, msg string) { return resolve(reference) }

// ReadChange reads a change of the directory from YAML. Its faults have paths in
// the change.
func ReadChange(data []byte) (directory.Change, []routing.Fault) {
	var c directory.Change
	faults := readInto("change", data, reflect.ValueOf(&c).Elem())
	return c, faults
}

// LoadTable reads the sections of a routing table from a file, which may be a
// whole configuration: nothing else of it is looked at.
func LoadTable(path string) (routing.Spec, error) {
	data, err := readFile(path)
	if err != nil {
		return routing.Spec{}, err
	}
	s := &source{file: path}
	var c Config
	if s.parse(data) {
		newDecoder(s, secretPaths...).value(s.root, reflect.ValueOf(&c).Elem(), "")
	}
	if len(s.faults) > 0 {
		return routing.Spec{}, s.faults.sorted()
	}
	return c.Spec, nil
}

func readInto(name string, data []byte, v reflect.Value) (faults []routing.Fault) {
	s := &source{file: name}
	if s.parse(data) {
		newDecoder(s).value(s.root, v, "")
	}
	for _, f := range s.faults.sorted() {
		faults = append(faults, routing.Fault{Path: f.Path, Msg: f.Msg})
	}
	return faults
}
