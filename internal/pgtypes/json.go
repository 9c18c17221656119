package pgtypes

import "sync"

// jsonKind is json. The canonical bytes are the text as it was sent.
type jsonKind struct{ textKind }

func (jsonKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	s := jsonChecks.Get().(*jsonCheck)
	defer jsonChecks.Put(s)
	s.lexer = jsonLexer{src: text}
	var err error
	s.nesting, err = parseJSON(&s.lexer, s, s.nesting)
	s.lexer.src = nil
	if err != nil {
		return dst, err
	}
	return append(dst, text...), nil
}

func (k jsonKind) recv(dst, data []byte, env *Env) ([]byte, error) {
	data, err := received(data, env)
	if err != nil {
		return dst, err
	}
	return k.in(dst, data, env)
}

// jsonChecks is scratch, so that a check allocates nothing.
var jsonChecks = sync.Pool{New: func() any { return new(jsonCheck) }}

// jsonCheck is a sink that keeps nothing.
type jsonCheck struct {
	lexer   jsonLexer
	nesting []jsonToken
}

func (*jsonCheck) key(*jsonLexer) error             { return nil }
func (*jsonCheck) scalar(jsonToken, jsonSpan) error { return nil }
func (*jsonCheck) open(jsonToken) error             { return nil }
func (*jsonCheck) close()                           {}
