package configs

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// join adds a key to a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// inside reports whether path is p or lies in it.
func inside(path, p string) bool {
	rest, ok := strings.CutPrefix(path, p)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// hidden stands for a key that may be a number, a name or a secret in the wrong
// place: people mistake the indentation, and the message goes to a log.
const hidden = "(not shown)"

func showKey(key string) string {
	digits := 0
	for _, r := range key {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == '-':
		default:
			return hidden
		}
	}
	if key == "" || len(key) > 40 || digits > 5 {
		return hidden
	}
	return strconv.Quote(key)
}

// line finds the line of a path: of its last part that is in the file.
func (s *source) line(path string) int {
	n, line := s.root, 1
	for path != "" {
		next, rest, at := child(n, path)
		if next == nil {
			return line
		}
		n, path, line = next, rest, at
	}
	return line
}

// child goes one step down: the node the path begins with, the rest of the path
// and the line it stands on.
func child(n ast.Node, path string) (next ast.Node, rest string, line int) {
	if a, ok := n.(*ast.AnchorNode); ok {
		n = a.Value
	}
	if strings.HasPrefix(path, "[") {
		index, rest, _ := strings.Cut(path[1:], "]")
		i, err := strconv.Atoi(index)
		seq, ok := n.(*ast.SequenceNode)
		if err != nil || !ok || i < 0 || i >= len(seq.Values) {
			return nil, "", 0
		}
		return seq.Values[i], rest, lineOf(seq.Values[i])
	}
	path = strings.TrimPrefix(path, ".")
	pairs, _ := entries(n)
	for _, e := range pairs {
		if key, ok := textOf(e.Key); ok && inside(path, key) {
			return e.Value, path[len(key):], lineOf(e.Key)
		}
	}
	return nil, "", 0
}

// under prefixes a section's own reports with its name.
func under(section string, report func(path, msg string)) func(path, msg string) {
	return func(path, msg string) {
		switch {
		case path == "":
			path = section
		case strings.HasPrefix(path, "["):
			path = section + path
		default:
			path = join(section, path)
		}
		report(path, msg)
	}
}
