package pgtypes

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// arrayKind is a one-dimensional array. The canonical bytes of one without elements
// are none; else they are its lower bound, four bytes, and for each element the length
// of its canonical bytes, four bytes, and those; the length of NULL is ffffffff.
type arrayKind struct {
	elem kind
	oid  uint32 // of the element's type
}

const (
	noElement     = 0xffffffff // the length of NULL
	maxDimensions = 6          // MAXDIM
	maxElements   = 134217727  // MaxArraySize
)

// elementFunc is called for each element of an array.
type elementFunc func(element []byte, null bool) error

func (k arrayKind) in(dst, text []byte, env *Env) ([]byte, error) {
	r := arrayText{whole: text, rest: text, version: env.version}
	if err := r.dimensions(); err != nil {
		return dst, err
	}
	b := arrayBuilder{dst: dst, at: len(dst), lower: r.lower, env: env, read: k.elem.in}
	if err := r.elements(b.add); err != nil {
		return b.dst, err
	}
	return b.dst, b.misfit
}

func (k arrayKind) recv(dst, data []byte, env *Env) ([]byte, error) {
	r := arrayBinary{rest: data, oid: k.oid}
	if err := r.header(); err != nil {
		return dst, err
	}
	b := arrayBuilder{dst: dst, at: len(dst), lower: r.lower, env: env, read: k.elem.recv}
	if err := r.elements(b.add); err != nil {
		return b.dst, err
	}
	return b.dst, b.misfit
}

// arrayBuilder appends an array's canonical bytes to dst.
type arrayBuilder struct {
	dst   []byte
	at    int // where the array begins
	lower int32
	env   *Env
	read  func(dst, src []byte, env *Env) ([]byte, error)
	// misfit is that an element does not fit the type's modifier. It comes when all
	// elements were read: until an array is assigned it has no modifier
	// (ArrayCoerceExpr).
	misfit error
}

func (b *arrayBuilder) add(element []byte, null bool) error {
	if len(b.dst) == b.at {
		b.dst = binary.BigEndian.AppendUint32(b.dst, uint32(b.lower))
	}
	if null {
		b.dst = binary.BigEndian.AppendUint32(b.dst, noElement)
		return nil
	}
	at := len(b.dst)
	dst, err := b.read(append(b.dst, 0, 0, 0, 0), element, b.env)
	if err != nil {
		if GivesNull(err) {
			b.dst = binary.BigEndian.AppendUint32(b.dst, noElement)
			return nil
		}
		var e *pgerr.Error
		if !errors.As(err, &e) || !e.AtRun {
			return err
		}
		if b.misfit == nil {
			b.misfit = err
		}
		return nil
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	b.dst = dst
	return nil
}

// canonicalArray reads canonical bytes; false when they are none.
func canonicalArray(canonical []byte) (lower int32, elements []byte, ok bool) {
	if len(canonical) == 0 {
		return 1, nil, true
	}
	if len(canonical) < 8 { // a lower bound and an element's length
		return 0, nil, false
	}
	return int32(binary.BigEndian.Uint32(canonical)), canonical[4:], true
}

// cutElement takes an element off the canonical bytes behind the lower bound.
func cutElement(elements []byte) (element, rest []byte, null, ok bool) {
	if len(elements) < 4 {
		return nil, nil, false, false
	}
	n := binary.BigEndian.Uint32(elements)
	rest = elements[4:]
	if n == noElement {
		return nil, rest, true, true
	}
	if uint64(n) > uint64(len(rest)) {
		return nil, nil, false, false
	}
	return rest[:n], rest[n:], false, true
}

// countElements counts them; false when they are malformed.
func countElements(elements []byte) (n int, nulls, ok bool) {
	for len(elements) > 0 {
		_, rest, null, ok := cutElement(elements)
		if !ok {
			return 0, false, false
		}
		n, nulls, elements = n+1, nulls || null, rest
	}
	return n, nulls, true
}

func (k arrayKind) out(dst, canonical []byte, env *Env) ([]byte, error) {
	lower, elements, ok := canonicalArray(canonical)
	n, _, well := countElements(elements)
	if !ok || !well {
		return dst, notCanonical(k.name())
	}
	if lower != 1 {
		dst = strconv.AppendInt(append(dst, '['), int64(lower), 10)
		dst = strconv.AppendInt(append(dst, ':'), int64(lower)+int64(n)-1, 10)
		dst = append(dst, "]="...)
	}
	dst = append(dst, '{')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		element, rest, null, _ := cutElement(elements)
		elements = rest
		if null {
			dst = append(dst, "NULL"...)
			continue
		}
		at := len(dst)
		var err error
		if dst, err = k.elem.out(dst, element, env); err != nil {
			return dst, err
		}
		dst = quoteElement(dst, at)
	}
	return append(dst, '}'), nil
}

// quoteElement puts dst[at:] in quotes if it needs them (array_out).
func quoteElement(dst []byte, at int) []byte {
	text := dst[at:]
	quote, escapes := len(text) == 0 || fold(text, "null"), 0
	for _, c := range text {
		switch c {
		case '"', '\\':
			escapes++
		case '{', '}', ',':
			quote = true
		default:
			quote = quote || isSpace(c)
		}
	}
	if !quote && escapes == 0 {
		return dst
	}
	from, to := len(dst), len(dst)+escapes+2
	dst = slices.Grow(dst, escapes+2)[:to]
	to--
	dst[to] = '"'
	for from > at {
		from, to = from-1, to-1
		c := dst[from]
		dst[to] = c
		if c == '"' || c == '\\' {
			to--
			dst[to] = '\\'
		}
	}
	dst[at] = '"'
	return dst
}

// send is array_send.
func (k arrayKind) send(dst, canonical []byte, env *Env) ([]byte, error) {
	lower, elements, ok := canonicalArray(canonical)
	n, nulls, well := countElements(elements)
	if !ok || !well {
		return dst, notCanonical(k.name())
	}
	dimensions, flags := uint32(1), uint32(0)
	if n == 0 {
		dimensions = 0
	}
	if nulls {
		flags = 1
	}
	dst = binary.BigEndian.AppendUint32(dst, dimensions)
	dst = binary.BigEndian.AppendUint32(dst, flags)
	dst = binary.BigEndian.AppendUint32(dst, k.oid)
	if n > 0 {
		dst = binary.BigEndian.AppendUint32(dst, uint32(n))
		dst = binary.BigEndian.AppendUint32(dst, uint32(lower))
	}
	for range n {
		element, rest, null, _ := cutElement(elements)
		elements = rest
		if null {
			dst = binary.BigEndian.AppendUint32(dst, noElement)
			continue
		}
		at := len(dst)
		var err error
		if dst, err = k.elem.send(append(dst, 0, 0, 0, 0), element, env); err != nil {
			return dst, err
		}
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	return dst, nil
}

func (k arrayKind) name() string { return typeName(k.oid) + "[]" }

func manyDimensions() error {
	return notDone("pgseal does not seal arrays of more than one dimension", "Seal the values one by one, or as jsonb.", anchorTypes)
}

// toArray casts an array to one of another type, element by element.
func toArray(dst, value []byte, from kind, to arrayKind, env *Env) ([]byte, error) {
	source, ok := from.(arrayKind)
	if !ok {
		return dst, noCast(from, to)
	}
	lower, elements, ok := canonicalArray(value)
	if !ok {
		return dst, notCanonical(source.name())
	}
	read := func(dst, element []byte, env *Env) ([]byte, error) {
		return assign(dst, element, source.elem, to.elem, env)
	}
	b := arrayBuilder{dst: dst, at: len(dst), lower: lower, env: env, read: read}
	for len(elements) > 0 {
		element, rest, null, ok := cutElement(elements)
		if !ok {
			return b.dst, notCanonical(source.name())
		}
		if err := b.add(element, null); err != nil {
			return b.dst, err
		}
		elements = rest
	}
	return b.dst, b.misfit
}
