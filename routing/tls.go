package routing

import (
	"fmt"
	"strings"
)

// TLS is how a trunk and we prove ourselves to each other by certificates.
type TLS struct {
	// Names are the identities that its certificates carry as a client: DNS names,
	// or whole URIs. Whoever shows a verified certificate with one of them is this
	// trunk, wherever he calls from.
	Names []string `yaml:"names"`
	// CA is a PEM file of the authorities its own certificates, as a server, are
	// verified against; empty: the system's.
	CA string `yaml:"ca"`
	// ServerName is what those certificates must name; empty: the host of the
	// target. It is compared as a whole (RFC 5922 7.2), so that "*.example.com" is
	// the wildcard itself and nothing else.
	ServerName string `yaml:"server_name"`
}

const (
	maxTLSNames = 32
	maxTLSName  = 255
)

// addTLS checks a trunk's certificates' names and enters them.
func (b *builder) addTLS(t TLS, trunk, path string, enter bool) {
	if len(t.Names) > maxTLSNames {
		b.fault(fmt.Sprintf("holds more than %d names", maxTLSNames), "%s.tls.names", path)
	}
	for i, name := range t.Names {
		at := fmt.Sprintf("%s.tls.names[%d]", path, i)
		if b.fault(checkTLSName(name, true), "%s", at) {
			continue
		}
		name = CertName(name)
		if first, dup := b.certName[name]; dup {
			b.fault(fmt.Sprintf("is at %s already; a name belongs to one trunk, once", first), "%s", at)
			continue
		}
		b.certName[name] = at
		if enter {
			b.table.certNames[name] = trunk
		}
	}
	b.fault(checkText(t.CA, 4096), "%s.tls.ca", path)
	if t.ServerName != "" {
		b.fault(checkTLSName(t.ServerName, false), "%s.tls.server_name", path)
	}
}

// checkTLSName says what is wrong with a name that a certificate should carry.
func checkTLSName(s string, uri bool) string {
	if s == "" {
		return "is missing: a DNS name such as \"sbc.example.com\""
	}
	if msg := checkText(s, maxTLSName); msg != "" {
		return msg
	}
	if scheme, rest, found := strings.Cut(s, ":"); uri && found {
		if !ValidID(strings.ToLower(scheme)) || rest == "" || strings.ContainsAny(s, " <>\"") {
			return "is neither a DNS name nor a URI"
		}
		return ""
	}
	if !validHost(strings.TrimPrefix(s, "*.")) {
		return "is not a DNS name such as \"sbc.example.com\""
	}
	return ""
}

// CertName is the form in which names of certificates are compared: a DNS name
// in small letters without its last dot; of a sip: URI its domain (RFC 5922
// 7.1); any other URI as it is.
func CertName(s string) string {
	if rest, ok := cutScheme(s); ok {
		s = rest
	}
	if strings.Contains(s, ":") && !strings.HasPrefix(s, "[") {
		return s
	}
	return strings.TrimSuffix(strings.ToLower(s), ".")
}

// TrunkOfNames returns the trunk that a verified certificate with these names
// belongs to. ok is false when none does, or when they belong to several: a
// certificate that could be two trunks is neither.
func (t *Table) TrunkOfNames(names []string) (id string, ok bool) {
	for _, name := range names {
		switch trunk, known := t.certNames[CertName(name)]; {
		case !known:
		case id != "" && id != trunk:
			return "", false
		default:
			id = trunk
		}
	}
	return id, id != ""
}
