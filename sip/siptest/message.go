package siptest

import (
	"strconv"
	"strings"
)

// Field is one header line. Name is in its long form after parsing.
type Field struct{ Name, Value string }

// Message is one SIP request (Method set) or response (Status set) as text:
// nothing is interpreted that a reader of the wire would not see.
type Message struct {
	Method string
	URI    string
	Status int
	Reason string
	Fields []Field
	Body   []byte
}

// IsRequest reports whether m is a request.
func (m *Message) IsRequest() bool { return m.Method != "" }

// Get returns the first value of a header, given by its long name; "" when absent.
func (m *Message) Get(name string) string {
	for _, f := range m.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Values returns all values of a list header (Via, Contact, Route,
// Record-Route), those joined by commas in one line taken apart.
func (m *Message) Values(name string) []string {
	var all []string
	for _, f := range m.Fields {
		if strings.EqualFold(f.Name, name) {
			all = append(all, splitList(f.Value)...)
		}
	}
	return all
}

// Lines returns how many lines of that name there are.
func (m *Message) Lines(name string) int {
	n := 0
	for _, f := range m.Fields {
		if strings.EqualFold(f.Name, name) {
			n++
		}
	}
	return n
}

// Add appends a header line.
func (m *Message) Add(name, value string) { m.Fields = append(m.Fields, Field{name, value}) }

// Bytes is the message as sent. Content-Length is written last, from Body.
func (m *Message) Bytes() []byte {
	b := make([]byte, 0, 512+len(m.Body))
	if m.IsRequest() {
		b = append(b, m.Method+" "+m.URI+" SIP/2.0\r\n"...)
	} else {
		b = append(b, "SIP/2.0 "+strconv.Itoa(m.Status)+" "+m.Reason+"\r\n"...)
	}
	for _, f := range m.Fields {
		b = append(b, f.Name+": "+f.Value+"\r\n"...)
	}
	b = append(b, "Content-Length: "+strconv.Itoa(len(m.Body))+"\r\n\r\n"...)
	return append(b, m.Body...)
}

// cseq returns the number and method of CSeq; zero values when it is not well formed.
func (m *Message) cseq() (uint32, string) {
	number, method, ok := strings.Cut(m.Get("CSeq"), " ")
	if !ok {
		return 0, ""
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return 0, ""
	}
	return uint32(n), strings.TrimLeft(method, " ")
}

// tag returns the tag parameter of From or To, "" when there is none.
func (m *Message) tag(name string) string {
	a, err := parseAddress(m.Get(name))
	if err != nil {
		return ""
	}
	return a.params["tag"]
}

// branch returns the branch of the topmost Via.
func (m *Message) branch() string {
	all := m.Values("Via")
	if len(all) == 0 {
		return ""
	}
	v, err := parseVia(all[0])
	if err != nil {
		return ""
	}
	return v.params["branch"]
}

// title is what a person calls the message in a report: no address in it.
func (m *Message) title() string {
	n, method := m.cseq()
	if m.IsRequest() {
		return m.Method + " " + strconv.FormatUint(uint64(n), 10)
	}
	return strconv.Itoa(m.Status) + " to " + method + " " + strconv.FormatUint(uint64(n), 10)
}
