package configs

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"ringdown/routing"
)

// maxFaults is how many faults of a list of numbers are told: who has mistaken a
// column has a million of them.
const maxFaults = 1000

// columns of a list of numbers, beside attribution.KEY.
var columns = []string{"number", "account", "flow", "pool", "state", "valid_from", "valid_until", "trunks", "regulatory_ref"}

const attributionColumn = "attribution."

// ReadNumbers reads tracking numbers from CSV (RFC 4180) with a header row and
// hands each over with its line, one after the other, so that a million need no
// more memory than one. Trunks are separated by spaces. What is faulty is not
// handed over; its faults are returned, as FILE:LINE: column: what. An error of
// each ends the reading and is returned as it is.
func ReadNumbers(name string, r io.Reader, each func(line int, n routing.TrackingNumber) error) (Faults, error) {
	c := csv.NewReader(r)
	c.ReuseRecord, c.FieldsPerRecord = true, -1
	list := numberList{file: name}
	for first := true; ; first = false {
		record, err := c.Read()
		var syntax *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			if first {
				list.fault(1, "", "is empty: the first line names the columns")
			}
			return list.told(), nil
		case errors.As(err, &syntax):
			list.fault(syntax.StartLine, "", "is not CSV: "+syntax.Err.Error())
			return list.told(), nil // where the next line begins is not known
		case err != nil:
			return list.told(), fmt.Errorf("%s: %w", name, err)
		}
		line, _ := c.FieldPos(0)
		if first {
			if !list.header(line, record) {
				return list.told(), nil
			}
			continue
		}
		if n, ok := list.number(line, record); ok {
			if err := each(line, n); err != nil {
				return list.told(), err
			}
		}
	}
}

// numberList is a list being read.
type numberList struct {
	file    string
	columns []string
	faults  Faults
	more    int
}

func (l *numberList) fault(line int, column, msg string) {
	if len(l.faults) == maxFaults {
		l.more++
		return
	}
	l.faults = append(l.faults, Fault{l.file, line, column, msg})
}

func (l *numberList) told() Faults {
	if l.more > 0 {
		last := l.faults[len(l.faults)-1]
		return append(l.faults, Fault{l.file, last.Line, "", fmt.Sprintf("and %d more faults behind it", l.more)})
	}
	return l.faults
}

// header takes the names of the columns.
func (l *numberList) header(line int, record []string) bool {
	seen := map[string]bool{}
	for _, name := range record {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		key, attributes := strings.CutPrefix(name, attributionColumn)
		switch {
		case seen[name]:
			l.fault(line, name, "is there twice")
		case attributes && !routing.ValidID(key):
			l.fault(line, "", "has a column attribution.KEY whose key is not an id")
		case !attributes && !slices.Contains(columns, name):
			hint := "; known: " + strings.Join(columns, ", ") + ", attribution.KEY"
			if near := routing.Nearest(name, columns); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			l.fault(line, "", "has a column "+showKey(name)+" that is not known"+hint)
		}
		seen[name] = true
		l.columns = append(l.columns, name)
	}
	if !seen["number"] {
		l.fault(line, "number", "is missing: the column of the numbers")
	}
	return len(l.faults) == 0
}

// number makes a number of a record; ok is false when it has faults.
func (l *numberList) number(line int, record []string) (n routing.TrackingNumber, ok bool) {
	before := len(l.faults) + l.more
	if len(record) != len(l.columns) {
		l.fault(line, "", fmt.Sprintf("has %d fields, the header has %d", len(record), len(l.columns)))
		return n, false
	}
	for i, value := range record {
		value = strings.TrimSpace(value)
		if value == "" {
			continue
		}
		if err := l.set(&n, l.columns[i], value); err != nil {
			l.fault(line, l.columns[i], err.Error())
		}
	}
	if len(l.faults)+l.more > before {
		return n, false
	}
	for _, f := range n.Check() {
		l.fault(line, f.Path, f.Msg)
	}
	return n, len(l.faults)+l.more == before
}

// set fills one column in. The text of the record is used again for the next one.
func (l *numberList) set(n *routing.TrackingNumber, column, value string) error {
	switch value = strings.Clone(value); column {
	case "number":
		n.Number = value
	case "account":
		n.Account = value
	case "flow":
		n.Flow = value
	case "pool":
		n.Pool = value
	case "state":
		n.State = value
	case "valid_from":
		return n.ValidFrom.UnmarshalText([]byte(value))
	case "valid_until":
		return n.ValidUntil.UnmarshalText([]byte(value))
	case "trunks":
		n.Trunks = strings.Fields(value)
	case "regulatory_ref":
		n.Regulatory = value
	default:
		if n.Attribution == nil {
			n.Attribution = map[string]string{}
		}
		n.Attribution[strings.TrimPrefix(column, attributionColumn)] = value
	}
	return nil
}
