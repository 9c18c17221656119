package pgtypes

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// jsonbKind is jsonb. The canonical bytes are the text that Postgres prints:
// keys ordered by length, then bytes; of keys that are there twice the last;
// numbers as numeric prints them; one blank behind commas and colons.
type jsonbKind struct{}

// jsonbVersion comes first in the binary form (jsonb_send).
const jsonbVersion = 1

func (jsonbKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	if len(text) > maxJSONBytes-maxJSONGrowth {
		return dst, jsonTooLong()
	}
	t := jsonTrees.Get().(*jsonTree)
	defer t.release()
	t.lexer = jsonLexer{src: text, decode: true, buf: t.lexer.buf[:0]}
	t.nodes, t.stack = append(t.nodes[:0], jsonNode{}), t.stack[:0]
	var err error
	if t.nesting, err = parseJSON(&t.lexer, t, t.nesting); err != nil {
		return dst, err
	}
	return t.print(dst, 1), nil
}

func (k jsonbKind) recv(dst, data []byte, env *Env) ([]byte, error) {
	if len(data) == 0 {
		return dst, cutShort()
	}
	if data[0] != jsonbVersion {
		return dst, &pgerr.Error{Code: codeInternal, Message: fmt.Sprintf("unsupported jsonb version number %d", data[0])}
	}
	text, err := received(data[1:], env)
	if err != nil {
		return dst, err
	}
	return k.in(dst, text, env)
}

func (jsonbKind) out(dst, canonical []byte, env *Env) ([]byte, error) {
	return appendText(dst, canonical, env)
}

func (jsonbKind) send(dst, canonical []byte, env *Env) ([]byte, error) {
	return appendText(append(dst, jsonbVersion), canonical, env)
}

// jsonTree is a document in memory; it is scratch.
type jsonTree struct {
	lexer   jsonLexer
	nesting []jsonToken
	nodes   []jsonNode // the first is not used, so that 0 can stand for none
	stack   []openNode
	pairs   []jsonPair
}

// jsonNode is a value, or a key, which its value follows. A container's children
// are linked.
type jsonNode struct {
	token     jsonToken
	unordered bool  // of an object: its keys are not in order, or not unique
	buffered  bool  // from and to are in the lexer's buf, otherwise in src
	from, to  int32 // a string's decoded text, or the token's
	first     int32 // child
	next      int32 // sibling
}

// openNode is a container that is not closed yet.
type openNode struct{ node, last, lastKey int32 }

// jsonPair is a key and its value, to be sorted.
type jsonPair struct{ key, value int32 }

var jsonTrees = sync.Pool{New: func() any { return new(jsonTree) }}

// keptScratch bounds what is kept for the next document, in nodes and in bytes.
const keptScratch = 64 << 10

// release gives the scratch back, without the document.
func (t *jsonTree) release() {
	clear(t.lexer.buf)
	t.lexer.src = nil
	if cap(t.nodes) > keptScratch || cap(t.lexer.buf) > keptScratch {
		t.nodes, t.pairs, t.lexer.buf = nil, nil, nil
	}
	jsonTrees.Put(t)
}

// Positions are 32 bits wide; and numbers may grow: 1e131071 has 131,072 digits.
const (
	maxJSONBytes  = 1 << 30
	maxJSONGrowth = 64 << 20
)

func jsonTooLong() error {
	return &pgerr.Error{
		Code: pgerr.ProgramLimitExceeded, Message: "the JSON document is too long, or its numbers are, for pgseal",
		Hint: "Split it over several rows.",
	}
}

func (t *jsonTree) add(n jsonNode) int32 {
	id := int32(len(t.nodes))
	t.nodes = append(t.nodes, n)
	if len(t.stack) > 0 {
		o := &t.stack[len(t.stack)-1]
		if o.last == 0 {
			t.nodes[o.node].first = id
		} else {
			t.nodes[o.last].next = id
		}
		o.last = id
	}
	return id
}

func (t *jsonTree) stringNode(s jsonSpan) jsonNode {
	if s.escaped {
		return jsonNode{token: jsonString, buffered: true, from: int32(s.from), to: int32(s.to)}
	}
	return jsonNode{token: jsonString, from: int32(s.start + 1), to: int32(s.end - 1)}
}

func (t *jsonTree) key(l *jsonLexer) error {
	id := t.add(t.stringNode(l.span()))
	o := &t.stack[len(t.stack)-1]
	if o.lastKey != 0 && t.compareKeys(o.lastKey, id) >= 0 {
		t.nodes[o.node].unordered = true
	}
	o.lastKey = id
	return nil
}

func (t *jsonTree) scalar(token jsonToken, s jsonSpan) error {
	switch token {
	case jsonString:
		t.add(t.stringNode(s))
	case jsonNumber:
		return t.number(s)
	default:
		t.add(jsonNode{token: token, from: int32(s.start), to: int32(s.end)})
	}
	return nil
}

// plainNumber is how long a number without an exponent may be to be surely
// within numeric's bounds.
const plainNumber = 10000

// number adds a number as numeric_out prints it.
func (t *jsonTree) number(s jsonSpan) error {
	text := t.lexer.src[s.start:s.end]
	if len(text) <= plainNumber && bytes.IndexByte(text, 'e') < 0 && bytes.IndexByte(text, 'E') < 0 &&
		(text[0] != '-' || !zeroDigits(text)) {
		t.add(jsonNode{token: jsonNumber, from: int32(s.start), to: int32(s.end)})
		return nil
	}
	from := len(t.lexer.buf)
	out, err := numericKind{}.in(t.lexer.buf, text, nil)
	if err != nil {
		return err
	}
	t.lexer.buf = out
	if len(out) > len(t.lexer.src)+maxJSONGrowth {
		return jsonTooLong()
	}
	t.add(jsonNode{token: jsonNumber, buffered: true, from: int32(from), to: int32(len(out))})
	return nil
}

func (t *jsonTree) open(token jsonToken) error {
	id := t.add(jsonNode{token: token})
	t.stack = append(t.stack, openNode{node: id})
	return nil
}

func (t *jsonTree) close() {
	o := t.stack[len(t.stack)-1]
	t.stack = t.stack[:len(t.stack)-1]
	if t.nodes[o.node].unordered {
		t.order(o.node)
	}
}

func (t *jsonTree) text(n *jsonNode) []byte {
	if n.buffered {
		return t.lexer.buf[n.from:n.to]
	}
	return t.lexer.src[n.from:n.to]
}

// compareKeys is lengthCompareJsonbString.
func (t *jsonTree) compareKeys(a, b int32) int {
	x, y := t.text(&t.nodes[a]), t.text(&t.nodes[b])
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	return bytes.Compare(x, y)
}

// order sorts an object's pairs and drops all but the last of equal keys
// (uniqueifyJsonbObject).
func (t *jsonTree) order(object int32) {
	t.pairs = t.pairs[:0]
	for key := t.nodes[object].first; key != 0; {
		value := t.nodes[key].next
		t.pairs = append(t.pairs, jsonPair{key, value})
		key = t.nodes[value].next
	}
	slices.SortFunc(t.pairs, func(a, b jsonPair) int {
		if c := t.compareKeys(a.key, b.key); c != 0 {
			return c
		}
		return int(a.key - b.key) // ids grow in the document's order
	})
	last := int32(0) // the value that the next key is linked to
	for i, p := range t.pairs {
		if i+1 < len(t.pairs) && t.compareKeys(p.key, t.pairs[i+1].key) == 0 {
			continue
		}
		if last == 0 {
			t.nodes[object].first = p.key
		} else {
			t.nodes[last].next = p.key
		}
		last = p.value
	}
	t.nodes[last].next = 0
}

// print writes a value as JsonbToCString does. It recurses as deep as the
// document is nested, which parseJSON bounds.
func (t *jsonTree) print(dst []byte, id int32) []byte {
	n := &t.nodes[id]
	switch n.token {
	case jsonString:
		return t.printString(dst, n)
	case jsonArrayStart:
		dst = append(dst, '[')
		for child := n.first; child != 0; child = t.nodes[child].next {
			if child != n.first {
				dst = append(dst, ", "...)
			}
			dst = t.print(dst, child)
		}
		return append(dst, ']')
	case jsonObjectStart:
		dst = append(dst, '{')
		for key := n.first; key != 0; {
			if key != n.first {
				dst = append(dst, ", "...)
			}
			value := t.nodes[key].next
			dst = append(t.printString(dst, &t.nodes[key]), ": "...)
			dst = t.print(dst, value)
			key = t.nodes[value].next
		}
		return append(dst, '}')
	}
	return append(dst, t.text(n)...)
}

// printString is escape_json.
func (t *jsonTree) printString(dst []byte, n *jsonNode) []byte {
	text := t.text(n)
	dst = append(dst, '"')
	if !n.buffered { // as it came, without a byte that needs an escape
		dst = append(dst, text...)
		return append(dst, '"')
	}
	start := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(append(dst, text[start:i]...), '\\')
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, c)
		case '\b':
			dst = append(dst, 'b')
		case '\f':
			dst = append(dst, 'f')
		case '\n':
			dst = append(dst, 'n')
		case '\r':
			dst = append(dst, 'r')
		case '\t':
			dst = append(dst, 't')
		default:
			dst = append(dst, 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		}
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}
