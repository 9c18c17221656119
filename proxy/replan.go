package proxy

import (
	"errors"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// errReplanned is Postgres's own error for a prepared statement whose meaning has
// changed (RevalidateCachedQuery), by which drivers know to prepare it again.
var errReplanned = &pgerr.Error{
	Code:    pgerr.FeatureNotSupported,
	Message: "cached plan must not change result type",
	Hint:    "The search_path or the catalog has changed since the statement was prepared, and it touches other sealed columns now, or touches them otherwise. Prepare it again.",
	Anchor:  "catalog-changed",
}

// stillValid tells whether a prepared statement can still be run as it was prepared.
func (f *frontend) stillValid(st *statement) (*pgerr.Error, error) {
	if refusal, err := f.stillPlanned(st); refusal != nil || err != nil {
		return refusal, err
	}
	return f.stillSealedFor(st)
}

// stillPlanned tells whether a prepared statement still means what it was planned
// for: the server analyses it anew when search_path or what it uses has changed,
// and a name may then stand for another relation. The refusal says that it does
// not. It costs two loads where nothing has changed.
func (f *frontend) stillPlanned(st *statement) (*pgerr.Error, error) {
	p := &f.planner
	if st.planned.Execute != nil {
		if refusal, err := f.stillRuns(st); refusal != nil || err != nil {
			return refusal, err
		}
	}
	if err := p.settle(f); err != nil {
		return nil, err
	}
	plans, err := p.plans(f)
	if err == nil && plans == st.plans && p.epoch == st.epoch {
		return nil, nil
	}
	if err != nil && errors.Is(err, errSessionOver) {
		return nil, err
	}
	plan, err := p.plan(f, []byte(st.source), true)
	switch {
	case err != nil:
		return nil, err
	case plan.Refusal != nil:
		return plan.Refusal, nil
	case len(plan.Statements) != 1 || !plan.Statements[0].Equal(st.planned):
		return errReplanned, nil
	}
	st.plans, st.epoch = p.last, p.epoch
	return nil, nil
}

// stillRuns tells whether the name of a prepared EXECUTE stands for what it stood for
// when that was prepared, and whether that still means the same.
func (f *frontend) stillRuns(st *statement) (*pgerr.Error, error) {
	now, err := f.lookupStatement([]byte(st.planned.Execute.Name))
	switch {
	case err != nil:
		return nil, err
	case now != st.runs:
		return errReplanned, nil
	case now == nil || now.planned == nil:
		return nil, nil
	}
	return f.stillPlanned(now)
}

// bindRefused puts a Parse that the server refuses in the place of a Bind.
func (f *frontend) bindRefused(refusal *pgerr.Error) error {
	f.refused(refusal)
	f.open = true
	f.s.push(reply{kind: replyParse, refusal: refusal})
	f.out.buf = appendParse(f.out.begin(), ownName, refusedText)
	return nil
}
