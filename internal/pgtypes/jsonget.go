package pgtypes

import (
	"math"
	"strconv"
	"sync"
)

// JSONKey is a step into a document: the key of an object, the index of an array, or
// both, for what Postgres tells apart only when it sees the container (#>).
type JSONKey struct {
	key   string
	isKey bool
	index int // from the end when negative; noIndex: none
}

// noIndex is the index that no array has (get_path_all).
const noIndex = math.MinInt32

// KeyOf is the step to an object's field: -> 'key'.
func KeyOf(key string) JSONKey { return JSONKey{key: key, isKey: true, index: noIndex} }

// IndexOf is the step to an array's element: -> 0.
func IndexOf(index int) JSONKey { return JSONKey{index: index} }

// PathKey is a step of the path of #> and #>>: a key, and an index when it reads as
// one (get_path_all, jsonb_get_element).
func PathKey(text string) JSONKey {
	k := KeyOf(text)
	for len(text) > 0 && isSpace(text[0]) { // as strtol does
		text = text[1:]
	}
	if n, err := strconv.ParseInt(text, 10, 32); err == nil && n != noIndex {
		k.index = int(n)
	}
	return k
}

// GetJSON appends the value that a path leads to in the canonical bytes of a json or
// jsonb, as json (-> and #>) or, with asText set, as text (->> and #>>), where a
// string loses its quotes and null is NULL. Null tells that there is none.
func GetJSON(dst, doc []byte, isJSONB, asText bool, path []JSONKey) (out []byte, null bool, err error) {
	d := jsonDocs.Get().(*jsonDoc)
	defer d.release()
	d.lexer = jsonLexer{src: doc, decode: true, buf: d.lexer.buf[:0]}
	d.nodes, d.stack = append(d.nodes[:0], docNode{}), d.stack[:0]
	if d.nesting, err = parseJSON(&d.lexer, d, d.nesting); err != nil {
		return dst, true, err
	}
	const root = 1
	found := int32(root)
	first := d.nodes[root].token
	switch {
	case len(path) == 0:
	case isJSONB && len(path) == 1 && !path[0].isKey && first != jsonArrayStart && first != jsonObjectStart:
		// A scalar is stored as an array of one.
		if i := path[0].index; i != 0 && i != -1 {
			return dst, true, nil
		}
	default:
		d.path, d.indexes = path, d.indexes[:0]
		for i := range path {
			d.indexes = append(d.indexes, path[i].index)
		}
		if found = d.find(root, 0); found == 0 {
			return dst, true, nil
		}
	}
	n := &d.nodes[found]
	switch {
	case asText && n.token == jsonNull:
		return dst, true, nil
	case asText && n.token == jsonString:
		return append(dst, d.text(n)...), false, nil
	}
	start := n.start
	if !isJSONB && len(path) == 0 && first != jsonArrayStart && first != jsonObjectStart {
		start = 0 // with the blanks before it (get_scalar)
	}
	return append(dst, doc[start:n.end]...), false, nil
}

// jsonDoc is a document in memory, with where each value of it stands; it is scratch.
type jsonDoc struct {
	lexer   jsonLexer
	nesting []jsonToken
	nodes   []docNode // the first is not used, so that 0 can stand for none
	stack   []openNode
	path    []JSONKey
	indexes []int // of the path; counted from the beginning once the array was seen
}

// docNode is a value, or a key, which its value follows. A container's children are
// linked.
type docNode struct {
	token      jsonToken
	buffered   bool  // from and to are in the lexer's buf, otherwise in src
	start, end int32 // in src
	from, to   int32 // a string's decoded text
	first      int32 // child
	next       int32 // sibling
	children   int32
}

var jsonDocs = sync.Pool{New: func() any { return new(jsonDoc) }}

func (d *jsonDoc) release() {
	clear(d.lexer.buf)
	d.lexer.src, d.path = nil, nil
	if cap(d.nodes) > keptScratch || cap(d.lexer.buf) > keptScratch {
		d.nodes, d.lexer.buf = nil, nil
	}
	jsonDocs.Put(d)
}

func (d *jsonDoc) text(n *docNode) []byte {
	if n.buffered {
		return d.lexer.buf[n.from:n.to]
	}
	return d.lexer.src[n.from:n.to]
}

func (d *jsonDoc) add(token jsonToken, s jsonSpan) int32 {
	n := docNode{token: token, start: int32(s.start), end: int32(s.end)}
	if token == jsonString {
		n.from, n.to = n.start+1, n.end-1
		if s.escaped {
			n.buffered, n.from, n.to = true, int32(s.from), int32(s.to)
		}
	}
	id := int32(len(d.nodes))
	d.nodes = append(d.nodes, n)
	if len(d.stack) > 0 {
		o := &d.stack[len(d.stack)-1]
		if o.last == 0 {
			d.nodes[o.node].first = id
		} else {
			d.nodes[o.last].next = id
		}
		o.last = id
		d.nodes[o.node].children++
	}
	return id
}

func (d *jsonDoc) key(l *jsonLexer) error {
	d.add(jsonString, l.span())
	return nil
}

func (d *jsonDoc) scalar(token jsonToken, s jsonSpan) error {
	d.add(token, s)
	return nil
}

func (d *jsonDoc) open(token jsonToken) error {
	id := d.add(token, jsonSpan{start: d.lexer.start, end: d.lexer.end})
	d.stack = append(d.stack, openNode{node: id})
	return nil
}

func (d *jsonDoc) close() {
	o := d.stack[len(d.stack)-1]
	d.stack = d.stack[:len(d.stack)-1]
	d.nodes[o.node].end = int32(d.lexer.end)
}

// find follows the path from a value; level tells how far it has come. Of keys that
// are there several times json takes the last that leads to something (get_worker).
func (d *jsonDoc) find(id int32, level int) int32 {
	if level == len(d.path) {
		return id
	}
	found := int32(0)
	n := &d.nodes[id]
	switch step := &d.path[level]; n.token {
	case jsonObjectStart:
		for key := n.first; step.isKey && key != 0; key = d.nodes[d.nodes[key].next].next {
			if string(d.text(&d.nodes[key])) != step.key {
				continue
			}
			below := d.find(d.nodes[key].next, level+1)
			if below != 0 || level+1 == len(d.path) {
				found = below
			}
		}
	case jsonArrayStart:
		if i := d.indexes[level]; i < 0 && i != noIndex && -i <= int(n.children) {
			d.indexes[level] += int(n.children)
		}
		at := d.indexes[level]
		if at < 0 || at >= int(n.children) {
			return 0
		}
		child := n.first
		for range at {
			child = d.nodes[child].next
		}
		return d.find(child, level+1)
	}
	return found
}
