package proxy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/rewrite"
)

// plans is the process's plan cache. Plans depend on the catalog, so a new
// snapshot begins a new cache.
type plans struct {
	catalog *catalog.Watcher
	limits  rewrite.Limits
	most    int         // plans kept; zero: none
	stale   atomic.Bool // DDL went through: the snapshot must be loaded again
	current atomic.Pointer[snapshotPlans]
}

// snapshotPlans are the plans made under one snapshot.
type snapshotPlans struct {
	snapshot  *catalog.Snapshot
	rewriter  *rewrite.Rewriter
	cache     *ristretto.Cache[string, *rewrite.Plan] // by text; nil: nothing is kept
	templates *templates                              // with cache
}

// invalidate is told that the catalog has changed.
func (p *plans) invalidate() { p.stale.Store(true) }

// get gives the plans of the current snapshot, loading it first when there is
// none, or when DDL has gone through since it was loaded.
func (p *plans) get(ctx context.Context) (*snapshotPlans, error) {
	snapshot := p.catalog.Current()
	if snapshot == nil || p.stale.Load() {
		p.stale.Store(false)
		fresh, err := p.catalog.Refresh(ctx)
		if err != nil {
			p.stale.Store(true)
			return nil, err
		}
		snapshot = fresh
	}
	if c := p.current.Load(); c != nil && c.snapshot == snapshot {
		return c, nil
	}
	return p.replace(snapshot)
}

// refresh loads the snapshot again in any case.
func (p *plans) refresh(ctx context.Context) (*snapshotPlans, error) {
	p.invalidate()
	return p.get(ctx)
}

// replace begins a new cache. When two sessions do so at once, the later one's
// stays; the other is used once and dropped.
func (p *plans) replace(snapshot *catalog.Snapshot) (*snapshotPlans, error) {
	c := &snapshotPlans{snapshot: snapshot, rewriter: rewrite.New(snapshot, p.limits)}
	if p.most > 0 {
		cache, err := newPlanCache[string, *rewrite.Plan](p.most)
		if err != nil {
			return nil, err
		}
		if c.templates, err = newTemplates(p.most); err != nil {
			cache.Close()
			return nil, err
		}
		c.cache = cache
	}
	old := p.current.Swap(c)
	if old != nil && old.cache != nil {
		old.cache.Close()
		old.templates.close()
	}
	return c, nil
}

// planner plans one session's statements. It belongs to the frontend.
type planner struct {
	private *snapshotPlans // while a transaction of this session has DDL that nobody else sees yet
	last    *snapshotPlans // that the last plan was made under
	shaper  shaper

	// What statements under way may have changed, and is asked again before the
	// next plan.
	uncertain rewrite.Effects
	ddl       bool // this session's transaction has changed the catalog
	local     bool // a transaction that may have changed settings has not been seen to end

	epoch      uint64            // grows whenever search_path may have changed
	unreported bool              // settings were changed in this segment: the server reports them at its end
	asked      bool              // they were asked for
	called     bool              // a function was called, which may have changed settings
	searchPath []string          // nil: not asked yet
	settings   map[string]string // session settings that orgs come from, as far as asked
	printing   bool              // those that text is written by are known

	cursorsPrint bool         // a cursor of the session has columns that are written by them
	unanswered   *pgerr.Error // why the last question for one was not answered; nil: it was
}

// effectsUnknown is what a function call may do.
const effectsUnknown = rewrite.ChangesSettings

// changed is told of a statement that is sent. DDL may change which schemas
// search_path finds (pg_temp comes to be with the first temporary table), CALL
// counts as DDL, and EXECUTE may run set_config.
func (p *planner) changed(e rewrite.Effects) {
	if e&(rewrite.ChangesCatalog|rewrite.ExecutesStatements) != 0 {
		e |= rewrite.ChangesSettings
	}
	p.called = p.called || e&(rewrite.CallsFunctions|rewrite.UsesCursors) != 0
	p.uncertain |= e & (rewrite.ChangesCatalog | rewrite.ChangesSettings)
}

// endSegment: the settings that were changed in the segment are reported at its
// end, which is waited for.
func (p *planner) endSegment() {
	if p.unreported || p.asked {
		p.unreported, p.asked = false, false
		p.uncertain |= rewrite.ChangesSettings
	}
}

// sealedOID is the OID of the type pgseal.sealed.
func (p *planner) sealedOID() uint32 { return p.last.snapshot.SealedOID }

// plan decides about a text. The error is one that ends the session; what the
// client is to hear is a refusal in the plan.
func (p *planner) plan(f *frontend, text []byte, extended bool) (*rewrite.Plan, error) {
	if err := p.settle(f); err != nil {
		return nil, err
	}
	plans, err := p.plans(f)
	if err != nil {
		return refuse(err)
	}
	p.settleCalls(f)
	env, rawKnown := p.env(f, extended)
	for try := 0; ; try++ {
		plan := plans.plan(text, env, &p.shaper)
		switch {
		case try > 3:
			return refuse(errors.New("the plan asks for the same again"))
		case plan.NeedsSearchPath:
			if env.SearchPath, err = p.askSearchPath(f); err != nil {
				return refuse(err)
			}
		case plan.NeedsCatalog && !env.CatalogIsFresh:
			if plans, err = p.refresh(f); err != nil {
				return refuse(err)
			}
			env.CatalogIsFresh = true
		case p.unreported && !plan.Relay:
			if err := p.askUnreported(f); err != nil {
				return nil, err
			}
			env, rawKnown = p.env(f, extended)
		case env.MayRaw && !rawKnown && dependsOnRaw(plan):
			if err := p.ask(f, rewrite.RawSetting); err != nil {
				return refuse(err)
			}
			if _, rawKnown = p.settings[rewrite.RawSetting]; !rawKnown {
				return &rewrite.Plan{Refusal: cmp.Or(p.unanswered, refusalNotAnswered)}, nil
			}
			env.Raw = rewrite.TrueSetting(p.settings[rewrite.RawSetting])
		default:
			p.last = plans
			for i := range plan.Statements {
				if err := p.askSettings(f, &plan.Statements[i]); err != nil {
					return nil, err
				}
				if extended {
					continue // Bind tells the formats
				}
				if err := p.askPrinting(f, &plan.Statements[i], inText); err != nil {
					return nil, err
				}
			}
			return plan, nil
		}
	}
}

// askUnreported asks for the settings that the server reports (ParameterStatus).
// Since version 14 it does so only ahead of ReadyForQuery, so within a segment
// what was set there is not known. The answer holds until that report.
func (p *planner) askUnreported(f *frontend) error {
	if !p.unreported {
		return nil
	}
	p.unreported = false
	rows, err := f.ask(askReported)
	switch {
	case unanswered(err) != nil:
		return nil // what comes is not executed either
	case err != nil:
		return err
	case len(rows) != 1 || len(rows[0]) != len(reportedSettings):
		return errors.New("the server's answer about its settings has another form")
	}
	s := f.s.settings.Load()
	for i, name := range reportedSettings {
		s = s.with(name, rows[0][i])
	}
	p.asked = true
	f.s.settings.Store(s)
	return nil
}

// refuse makes a plan that refuses, but for errors that end the session.
func refuse(err error) (*rewrite.Plan, error) {
	switch {
	case errors.Is(err, errSessionOver):
		return nil, err
	case unanswered(err) != nil:
		return &rewrite.Plan{Refusal: unanswered(err)}, nil
	}
	var e *pgerr.Error
	if !errors.As(err, &e) {
		e = &pgerr.Error{
			Code:    pgerr.KMSUnreachable,
			Message: "pgseal cannot read the upstream database's catalog",
			Hint:    "Try again; pgseal's log tells why.",
			Anchor:  "ps002",
			Cause:   err,
		}
	}
	return &rewrite.Plan{Refusal: e}, nil
}

// plan plans under the snapshot, from the caches where it can.
func (s *snapshotPlans) plan(text []byte, env rewrite.Env, shaper *shaper) *rewrite.Plan {
	// In other encodings a name's bytes tell nothing: the Rewriter knows which.
	mustParse, effects := s.rewriter.Scan(text)
	shaper.has = false
	if !env.Extended && env.UTF8 && env.StandardStrings && (mustParse || effects != 0) {
		if shaper.has = shaper.shape.Read(text); shaper.has {
			if must, ok := s.rewriter.ScanShape(&shaper.shape); ok {
				mustParse, effects = must, 0
			}
		}
	}
	if !mustParse && env.UTF8 && !effects.PlannedAsCursors(env) {
		if bytes.IndexByte(text, '(') >= 0 {
			effects |= rewrite.CallsFunctions
		}
		return relayed[effects]
	}
	// Plans depend on the settings of env too; those that are not the usual ones
	// are rare, and not kept.
	if s.cache == nil || env.MayRaw || !env.StandardStrings || !env.UTF8 || env.SearchPath != nil || env.CatalogIsFresh || env.LocalSettings {
		return s.rewriter.Plan(string(text), env)
	}
	// What a client of the extended protocol sends again it sends as it was.
	if shaper.has && mustParse {
		if plan := s.templates.find(shaper, text, effects); plan != nil {
			return plan
		}
	}
	if len(text) > maxCachedText {
		plan := s.rewriter.Plan(string(text), env)
		s.templates.learn(shaper, s.rewriter, string(text), plan, env)
		return plan
	}
	key := cacheKey(text, &env)
	if plan, ok := s.cache.Get(key); ok {
		return plan
	}
	own := strings.Clone(string(text))
	plan := s.rewriter.Plan(own, env)
	if !s.templates.learn(shaper, s.rewriter, own, plan, env) && plan.Cacheable() {
		s.cache.Set(key, plan, 1)
	}
	return plan
}

// relayed are the plans of texts that touch nothing sealed, by their effects.
var relayed = func() (plans [1 << 6]*rewrite.Plan) {
	for e := range plans {
		plans[e] = &rewrite.Plan{Relay: true, Effects: rewrite.Effects(e)}
	}
	return plans
}()

// maxCachedText is the longest text whose plan is kept. Longer ones hold values,
// and hardly come twice.
const maxCachedText = 32 << 10

// cacheKey tells a text of the simple protocol from one of the extended, and the servers
// that read numbers otherwise.
func cacheKey(text []byte, env *rewrite.Env) string {
	switch {
	case env.Extended && env.NewNumbers:
		return "x" + string(text)
	case env.Extended:
		return "X" + string(text)
	case env.NewNumbers:
		return "s" + string(text)
	}
	return "S" + string(text)
}

// env is what the session is known to have set; rawKnown tells whether that holds
// for raw mode too.
func (p *planner) env(f *frontend, extended bool) (env rewrite.Env, rawKnown bool) {
	s := f.s.settings.Load()
	env = rewrite.Env{Extended: extended, StandardStrings: s.standardStrings, UTF8: s.utf8(), SearchPath: p.searchPath, LocalSettings: p.local, SealedNames: f.sealedNames,
		NewNumbers: s.server >= 16}
	env.MayRaw = f.s.mayRaw
	if env.MayRaw {
		var raw string
		raw, rawKnown = p.settings[rewrite.RawSetting]
		env.Raw = rewrite.TrueSetting(raw)
	}
	return env, rawKnown
}

// settleCalls forgets what a function that was called may have set, for sessions
// whose plans depend on a setting; see askSetting for the others.
func (p *planner) settleCalls(f *frontend) {
	if f.s.mayRaw && p.called {
		p.called = false
		p.forgetSettings()
	}
}

// settle waits for statements under way that may have changed the catalog or
// the settings, and forgets what they may have changed.
func (p *planner) settle(f *frontend) error {
	if p.uncertain == 0 && !p.local {
		return nil
	}
	if err := f.drain(); err != nil {
		return err
	}
	if p.uncertain&rewrite.ChangesSettings != 0 || p.local {
		// SET LOCAL, and SET in a transaction that is rolled back, are undone by
		// the end of the transaction, which may come in any statement. Until it
		// is seen nothing is kept.
		p.searchPath = nil
		p.epoch++
		p.forgetSettings()
		p.local = f.inTransaction()
		p.unreported = p.unreported || f.open
	}
	if p.uncertain&rewrite.ChangesCatalog != 0 {
		p.ddl, p.private = true, nil
	}
	p.uncertain = 0
	return nil
}

// plans gives the snapshot to plan under: the process's, or, while this
// session's transaction has changed the catalog, the session's own.
func (p *planner) plans(f *frontend) (*snapshotPlans, error) {
	if !p.ddl {
		return f.s.server.plans.get(f.s.ctx)
	}
	if !f.inTransaction() {
		p.ddl, p.private = false, nil
		return f.s.server.plans.get(f.s.ctx) // the backend has called it stale
	}
	if p.private == nil && f.aborted() {
		// The question would fail, and within a segment take the client's ROLLBACK
		// with it. The server takes nothing but the end of the transaction.
		return f.s.server.plans.get(f.s.ctx)
	}
	if p.private == nil {
		plans, err := p.refresh(f)
		if errors.Is(err, errNotAnswered) {
			// The transaction is aborted: the server takes nothing but its end,
			// for which any snapshot will do.
			return f.s.server.plans.get(f.s.ctx)
		}
		return plans, err
	}
	return p.private, nil
}

// refresh loads the catalog, in the client's session if only that sees it.
func (p *planner) refresh(f *frontend) (*snapshotPlans, error) {
	if !p.ddl {
		return f.s.server.plans.refresh(f.s.ctx)
	}
	base := f.s.server.plans.catalog.Current()
	if p.private != nil {
		base = p.private.snapshot
	}
	snapshot, err := catalog.Load(f.s.ctx, asking{f}, f.s.server.config.Policy, base, false)
	if err != nil {
		return nil, err
	}
	p.private = &snapshotPlans{snapshot: snapshot, rewriter: rewrite.New(snapshot, f.s.server.plans.limits)}
	return p.private, nil
}

// asking is a catalog.Querier over the client's session.
type asking struct{ f *frontend }

func (a asking) Query(_ context.Context, sql string) ([][]string, error) { return a.f.ask(sql) }

// inTransaction tells whether what the session has sent is not committed yet.
func (f *frontend) inTransaction() bool {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.open || f.s.txStatus != 'I'
}

// aborted tells whether the transaction was an aborted one when the segment began.
func (f *frontend) aborted() bool {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.s.txStatus == 'E'
}

// askSearchPath asks the session which schemas a name without one stands for.
func (p *planner) askSearchPath(f *frontend) ([]string, error) {
	rows, err := f.ask("SELECT pg_catalog.unnest(pg_catalog.current_schemas(true))")
	if err != nil {
		return nil, err
	}
	p.searchPath = make([]string, 0, len(rows))
	for _, row := range rows {
		p.searchPath = append(p.searchPath, row[0])
	}
	return p.searchPath, nil
}

// askSettings makes sure that the settings which the orgs of a statement's values
// come from are known. It must be called before the statement's message is begun,
// since it may send one of its own. When the server does not answer, the setting
// stays unknown, and the statement is refused.
func (p *planner) askSettings(f *frontend, st *rewrite.Statement) error {
	for i := range st.Params {
		if err := p.askSetting(f, &st.Params[i].Org); err != nil {
			return err
		}
	}
	for i := range st.Literals {
		if err := p.askSetting(f, &st.Literals[i].Org); err != nil {
			return err
		}
	}
	for i := range st.Orgs {
		if err := p.askSetting(f, &st.Orgs[i].Org); err != nil {
			return err
		}
	}
	if st.Copy != nil && st.Copy.In {
		for i := range st.Copy.Fields {
			if err := p.askSetting(f, &st.Copy.Fields[i].Org); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *planner) askSetting(f *frontend, ref *rewrite.OrgRef) error {
	if ref.Kind != rewrite.OrgSetting {
		return nil
	}
	if p.called {
		// Any function can call set_config. The question goes to the server behind
		// the call, and is the answer's whole cost: nothing is waited for else.
		p.called = false
		p.forgetSettings()
	}
	if _, known := p.settings[ref.Value]; known {
		return nil
	}
	return p.ask(f, ref.Value)
}

// ask asks for a setting. When the server does not answer, it stays unknown, and
// so it does behind a pooler, but in a transaction that has set something itself.
// (Raw mode that is off is off.)
func (p *planner) ask(f *frontend, name string) error {
	rows, err := f.ask("SELECT pg_catalog.current_setting('" + strings.ReplaceAll(name, "'", "''") + "', true), pg_catalog.pg_backend_pid()")
	if p.unanswered = unanswered(err); p.unanswered != nil {
		return nil
	}
	if err != nil {
		return err
	}
	if p.settings == nil {
		p.settings = make(map[string]string)
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return nil
	}
	value := rows[0][0]
	off := name == rewrite.RawSetting && !rewrite.TrueSetting(value)
	if !p.local && !off && f.s.pooled(rows[0][1]) {
		p.unanswered = errPooledSetting(name)
		return nil
	}
	p.settings[name] = value
	return nil
}
