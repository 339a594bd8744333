package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What is read at most: a file of 8 MiB holds about 130,000 numbers; larger
// deployments keep them in the directory.
const (
	maxFile  = 8 << 20
	maxDepth = 64 // nested collections; the deepest key there is lies at 8
)

// readFile reads a regular file of at most maxFile bytes.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("configuration: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("configuration: %s is a directory", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return data, nil
}

// source is one file being read.
type source struct {
	file   string
	root   ast.Node // the mapping of sections; nil when there is none
	faults Faults
}

func (s *source) fault(line int, path, msg string) {
	s.faults = append(s.faults, Fault{s.file, max(line, 1), path, msg})
}

// parse checks the text and makes the tree of it. It reports whether there is one.
func (s *source) parse(data []byte) bool {
	if len(data) > maxFile {
		s.fault(1, "", "is larger than 8 MiB")
		return false
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !s.checkText(data) {
		return false
	}
	file, ok := s.tree(string(data))
	if !ok {
		return false
	}
	return s.single(file)
}

// checkText refuses bytes that are no text and tabs where YAML counts spaces.
func (s *source) checkText(data []byte) bool {
	before := len(s.faults)
	line := 0
	for text := range bytes.Lines(data) {
		line++
		if !utf8.Valid(text) {
			s.fault(line, "", "is not UTF-8")
		}
		if indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]; bytes.ContainsRune(indent, '\t') && len(bytes.TrimSpace(text)) > 0 {
			s.fault(line, "", "has a tab in its indentation; write spaces")
		}
		if bytes.ContainsFunc(bytes.TrimRight(text, "\r\n"), func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
			s.fault(line, "", "holds a control character")
		}
	}
	return len(s.faults) == before
}

// tree runs the YAML parser. Nesting is counted on the tokens first, because the
// parser goes down by recursion and a stack that overflows cannot be caught.
func (s *source) tree(text string) (file *ast.File, ok bool) {
	defer func() {
		if recover() != nil {
			s.fault(1, "", "cannot be read as YAML")
			file, ok = nil, false
		}
	}()
	tokens := lexer.Tokenize(text)
	if line := tooDeep(tokens); line > 0 {
		s.fault(line, "", fmt.Sprintf("is nested deeper than %d levels", maxDepth))
		return nil, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // duplicates are told by the decoder, all of them
	if err == nil {
		return file, true
	}
	line, msg := 1, "cannot be read as YAML"
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		msg = "is not YAML: " + strings.TrimSpace(syntax.Message)
		if syntax.Token != nil && syntax.Token.Position != nil {
			line = syntax.Token.Position.Line
		}
	}
	s.fault(line, "", msg)
	return nil, false
}

// tooDeep returns the line where nesting passes maxDepth, 0 when it never does.
func tooDeep(tokens token.Tokens) int {
	open, run, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, run = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			open++
		case token.SequenceEndType, token.MappingEndType:
			open--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			run++
		case token.CollectEntryType:
			run = 0
		}
		if open > maxDepth || run > maxDepth {
			return line
		}
	}
	return 0
}

// single takes the one document there must be, a mapping.
func (s *source) single(file *ast.File) bool {
	var body ast.Node
	for _, doc := range file.Docs {
		switch n := doc.Body.(type) {
		case nil:
		case *ast.DirectiveNode:
			s.fault(lineOf(n), "", "has a YAML directive (%), which is not read")
			return false
		default:
			if body != nil {
				s.fault(lineOf(n), "", "holds a second document; one file is one configuration")
				return false
			}
			body = n
		}
	}
	switch body.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		s.fault(1, "", "is empty; see configs/quickstart.yaml")
		return false
	case *ast.MappingNode, *ast.MappingValueNode:
		s.root = body
		return true
	}
	s.fault(lineOf(body), "", "must be a mapping of sections, is "+kindOf(body))
	return false
}

func lineOf(n ast.Node) int {
	if n == nil {
		return 1
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}
