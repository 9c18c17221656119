package proxy

import (
	"bytes"
	"fmt"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/pgseal/pgseal/rewrite"
)

// templates are the plans of texts that hold their values, by what the texts have in
// common: clients that have no parameters, or do not use them, send each text once.
// It keeps no value that is sealed.
type templates struct {
	shapes *ristretto.Cache[[]byte, *shapeRecord]      // by Shape.Key
	plans  *ristretto.Cache[[]byte, *rewrite.Template] // by Shape.FixedKey
}

// shapeRecord is what is known of a shape. It is replaced, never changed.
type shapeRecord struct {
	key    []byte
	varies rewrite.Varies // nil: seen once, or none
	none   bool           // there is no template
}

// newTemplates makes room for as many as most.
func newTemplates(most int) (*templates, error) {
	shapes, err := newPlanCache[[]byte, *shapeRecord](most)
	if err != nil {
		return nil, err
	}
	plans, err := newPlanCache[[]byte, *rewrite.Template](most)
	if err != nil {
		shapes.Close()
		return nil, err
	}
	return &templates{shapes: shapes, plans: plans}, nil
}

func (t *templates) close() {
	t.shapes.Close()
	t.plans.Close()
}

// newPlanCache makes a cache of as many plans as most.
func newPlanCache[K ristretto.Key, V any](most int) (*ristretto.Cache[K, V], error) {
	cache, err := ristretto.NewCache(&ristretto.Config[K, V]{
		NumCounters: 10 * int64(most), // ristretto's own advice: ten for each entry
		MaxCost:     int64(most),
		BufferItems: 64, // likewise
		// Each plan costs one, whatever ristretto needs for itself.
		IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("plan cache: %w", err)
	}
	return cache, nil
}

// shaper reads the shapes of one session's texts.
type shaper struct {
	shape  rewrite.Shape
	key    []byte       // scratch
	record *shapeRecord // of the shape at hand; nil: not seen before
	has    bool         // the text at hand has a shape, which was read
}

// find gives the plan of a text by its template; nil when there is none yet. Its shape
// has been read.
func (t *templates) find(s *shaper, text []byte, scanned rewrite.Effects) *rewrite.Plan {
	s.record = nil
	record, ok := t.shapes.Get(s.shape.Key())
	if !ok || !bytes.Equal(record.key, s.shape.Key()) {
		return nil
	}
	s.record = record
	if record.varies == nil {
		return nil
	}
	s.key = s.shape.FixedKey(s.key[:0], text, record.varies)
	template, ok := t.plans.Get(s.key)
	if !ok || !template.Fits(s.key) {
		return nil
	}
	return template.Plan(text, &s.shape, scanned)
}

// learn is told of the plan of a text that find had none for, and tells whether the
// text has a template now. The first text of a shape only leaves its mark: most
// shapes that come once do not come again.
func (t *templates) learn(s *shaper, r *rewrite.Rewriter, text string, plan *rewrite.Plan, env rewrite.Env) bool {
	switch {
	case !s.has || s.record != nil && s.record.none || !s.shape.Templated(plan):
		return false // what is no plain value stands in the key: it may be one to seal
	case s.record == nil:
		key := bytes.Clone(s.shape.Key())
		t.shapes.Set(key, &shapeRecord{key: key}, 1)
		return false
	}
	template, varies := r.Template(text, &s.shape, plan, env, s.record.varies)
	if s.record.varies == nil {
		t.shapes.Set(s.record.key, &shapeRecord{key: s.record.key, varies: varies, none: template == nil}, 1)
	}
	if template == nil {
		return false
	}
	t.plans.Set(template.Key(), template, 1)
	return true
}
