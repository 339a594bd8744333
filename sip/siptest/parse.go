package siptest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads one whole message. It accepts less than RFC 3261 7 does: no bare
// CR or LF, no control characters, no folding, no space before a colon, no byte
// after the body that Content-Length announces.
func Parse(b []byte) (*Message, error) {
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return nil, errors.New("message: no empty line after the header")
	}
	if !utf8.Valid(head) {
		return nil, errors.New("header: not UTF-8")
	}
	lines := strings.Split(string(head), "\r\n")
	for i, line := range lines {
		if c := control(line); c >= 0 {
			return nil, fmt.Errorf("line %d: control character %#02x", i+1, c)
		}
	}
	m := &Message{}
	if err := m.parseStart(lines[0]); err != nil {
		return nil, err
	}
	for i, line := range lines[1:] {
		f, err := parseField(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		m.Fields = append(m.Fields, f)
	}
	if length := m.Get("Content-Length"); length != "" {
		n, err := strconv.ParseUint(length, 10, 31)
		if err != nil {
			return nil, errors.New("content-length: not a number")
		}
		if int(n) != len(body) {
			return nil, fmt.Errorf("content-length: %d announced, %d there", n, len(body))
		}
	}
	if len(body) > 0 {
		m.Body = bytes.Clone(body)
	}
	return m, nil
}

func (m *Message) parseStart(line string) error {
	if rest, ok := strings.CutPrefix(line, "SIP/2.0 "); ok {
		code, reason, ok := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(code, 10, 16)
		if !ok || err != nil || len(code) != 3 || n < 100 || n > 699 {
			return errors.New("status line: not a code of three digits, a space and a reason")
		}
		m.Status, m.Reason = int(n), reason
		return nil
	}
	part := strings.Split(line, " ")
	if len(part) != 3 || !isToken(part[0]) || part[1] == "" || part[2] != "SIP/2.0" {
		return errors.New("request line: not a method, a URI and SIP/2.0 with single spaces")
	}
	m.Method, m.URI = part[0], part[1]
	return nil
}

func parseField(line string) (Field, error) {
	if line == "" || line[0] == ' ' || line[0] == '\t' {
		return Field{}, errors.New("folded header line")
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok || !isToken(name) {
		return Field{}, errors.New("not a header name and a colon")
	}
	return Field{longName(name), strings.Trim(value, " \t")}, nil
}

// longName turns the compact forms of RFC 3261 7.3.3 into the long ones.
func longName(name string) string {
	if len(name) != 1 {
		return name
	}
	switch name[0] | 0x20 {
	case 'c':
		return "Content-Type"
	case 'e':
		return "Content-Encoding"
	case 'f':
		return "From"
	case 'i':
		return "Call-ID"
	case 'k':
		return "Supported"
	case 'l':
		return "Content-Length"
	case 'm':
		return "Contact"
	case 's':
		return "Subject"
	case 't':
		return "To"
	case 'v':
		return "Via"
	}
	return name
}

func isToken(s string) bool {
	if s == "" {
		return false
	}
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			continue
		}
		if !strings.ContainsRune("-.!%*_+`'~", rune(c)) {
			return false
		}
	}
	return true
}

// control returns the first control character that is not a tab, -1 when there is none.
func control(s string) int {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return int(c)
		}
	}
	return -1
}
