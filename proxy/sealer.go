package proxy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// Keyring gives data keys; package crypto/keyring has the one there is.
type Keyring interface {
	// Ready gives the data key to seal an org's next value with if it is at hand,
	// else nil; it does not wait, nor allocate.
	Ready(org string) *crypto.DataKey
	// ForSeal gives it, if need be after asking KMS.
	ForSeal(ctx context.Context, org string) (*crypto.DataKey, error)
	// ForOpen gives the data key that a value was sealed with.
	ForOpen(ctx context.Context, id uint64) (*crypto.DataKey, error)
	// Usable tells whether a data key given out before may still be used.
	Usable(key *crypto.DataKey) bool
}

// codecs are the codecs of the policy's columns.
type codecs map[*policy.Column]pgtypes.Codec

func newCodecs(p *policy.Policy) (codecs, error) {
	c := make(codecs)
	for _, t := range p.Tables {
		for _, column := range t.Columns {
			codec, err := pgtypes.For(column.Type)
			if err != nil {
				return nil, fmt.Errorf("policy: column %s: %w", column.QualifiedName(), err)
			}
			c[column] = codec
		}
	}
	return c, nil
}

// sealer seals one session's values. It belongs to the frontend.
type sealer struct {
	s         *session
	canonical []byte // scratch; holds plaintext until the next value
}

func (z *sealer) init(s *session) { z.s = s }

// readParam reads a parameter's or a literal's value, declared to be of a type (0: of the
// column's own), into z.canonical.
func (z *sealer) readParam(value []byte, format pgtypes.Format, declared uint32, c *policy.Column, env *pgtypes.Env) (err error) {
	if declared == 0 || declared == c.Type.OID() || declared == oidUnknown {
		z.canonical, err = z.s.server.codecs[c].Canonical(emptied(z.canonical), value, format, env)
	} else {
		z.canonical, err = pgtypes.Assign(emptied(z.canonical), value, format, declared, c.Type, c.Name, env)
	}
	return err
}

// readCut is readParam for what the statement casts to the column's type.
func (z *sealer) readCut(value []byte, format pgtypes.Format, declared uint32, c *policy.Column, env *pgtypes.Env) error {
	canonical, err := pgtypes.AssignCut(emptied(z.canonical), value, format, declared, c.Type, c.Name, env)
	if err == nil {
		z.canonical = canonical
	}
	return err
}

// readCast is readParam for what the statement casts to via, declared to be of a type
// (0: of via).
func (z *sealer) readCast(value []byte, format pgtypes.Format, declared uint32, via policy.Type, c *policy.Column, env *pgtypes.Env) error {
	canonical, err := pgtypes.AssignCast(emptied(z.canonical), value, format, declared, via, c.Type, c.Name, env)
	if err == nil {
		z.canonical = canonical
	}
	return err
}

// readLiteral is readParam for a literal of the statement's text.
func (z *sealer) readLiteral(l *rewrite.Literal, env *pgtypes.Env) error {
	switch value := []byte(l.Value); {
	case l.Via != nil:
		return z.readCast(value, pgtypes.Text, l.TypeOID, *l.Via, l.Column, env)
	case l.Cut:
		return z.readCut(value, pgtypes.Text, l.TypeOID, l.Column, env)
	default:
		return z.readParam(value, pgtypes.Text, l.TypeOID, l.Column, env)
	}
}

// castMatters tells whether a parameter's cast makes another value of it than assigning
// it does: it is of another type, or cut.
func castMatters(p *rewrite.Param, declared uint32) bool {
	return p.Via != nil && (p.TypeOID != 0 || len(p.Via.Mods) > 0 || declared != 0 && declared != oidUnknown && declared != p.Via.OID())
}

// canonicalize reads a value of the column's own type into z.canonical.
func (z *sealer) canonicalize(value []byte, format pgtypes.Format, c *policy.Column, env *pgtypes.Env) error {
	canonical, err := z.s.server.codecs[c].Canonical(emptied(z.canonical), value, format, env)
	if err == nil {
		z.canonical = canonical
	}
	return err
}

// oidUnknown is the type of a literal that nothing is known of; drivers declare
// it to leave the choice to the server.
const oidUnknown = 705

// seal appends the sealed value of z.canonical.
func (z *sealer) seal(dst []byte, c *policy.Column, org string) ([]byte, error) {
	if !z.s.mayUse(org) {
		return dst, z.s.mayNotSeal(org, c)
	}
	key := z.s.server.keyring.Ready(org)
	if key == nil {
		var err error
		if key, err = z.ask(org); err != nil {
			return dst, err
		}
	}
	sealed, err := sealFor(key, dst, z.canonical, c)
	if withdrawn(err) {
		if key, err = z.ask(org); err != nil {
			return dst, err
		}
		sealed, err = sealFor(key, dst, z.canonical, c)
	}
	if err != nil {
		return dst, fmt.Errorf("seal a value of %s: %w", c.QualifiedName(), err)
	}
	z.s.server.metrics.Sealed(len(z.canonical))
	return sealed, nil
}

// sealFor seals a value as the column's policy wants it.
func sealFor(key *crypto.DataKey, dst, canonical []byte, c *policy.Column) ([]byte, error) {
	if c.Uncompressed {
		return key.Seal(dst, canonical, c.Context)
	}
	return key.SealCompressed(dst, canonical, c.Context)
}

// ask waits for a data key.
func (z *sealer) ask(org string) (*crypto.DataKey, error) {
	ctx, cancel := context.WithTimeout(z.s.ctx, z.s.server.config.Limits.KeyTimeout)
	defer cancel()
	return z.s.server.keyring.ForSeal(ctx, org)
}

// checkDeclared tells why a parameter that the client declared a type for
// cannot be assigned to its column, nil when it can.
func (z *sealer) checkDeclared(declared uint32, p *rewrite.Param) *pgerr.Error {
	c := p.Column
	if p.Array {
		return checkArray(declared, p)
	}
	if declared == 0 || declared == c.Type.OID() || declared == oidUnknown {
		return nil
	}
	var err error
	if castMatters(p, declared) {
		err = pgtypes.CastAssignable(declared, *p.Via, c.Type, c.Name, z.s.settings.Load().server)
	} else {
		err = pgtypes.Assignable(declared, c.Type, c.Name)
	}
	if err == nil {
		return nil
	}
	placed := *asClientError(err)
	placed.Position = p.Position
	return &placed
}

// orgOf finds the org of a value that is written.
func (f *frontend) orgOf(ref *rewrite.OrgRef, params *boundParams) (string, error) {
	switch ref.Kind {
	case rewrite.OrgValue:
		return ref.Value, nil
	case rewrite.OrgParam:
		if params == nil {
			return "", errOrgBoundLater
		}
		text, null, err := params.text(f.orgScratch[:0], ref.Param, ref.TypeOID, f.s.settings.Load().values)
		if err != nil {
			return "", err
		}
		f.orgScratch = text
		if null {
			return "", errOrgMissing
		}
		return f.internOrg(text), nil
	case rewrite.OrgSetting:
		return f.settingOrg(ref)
	}
	return "", fmt.Errorf("internal error: org reference of kind %d in a write", ref.Kind)
}

var errOrgMissing = &pgerr.Error{
	Code:    pgerr.FeatureNotSupported,
	Message: "pgseal cannot tell which org the row belongs to: its org column is NULL",
	Hint:    "Write the org in the same row.",
	Anchor:  "org-unknown",
}

var errOrgBoundLater = &pgerr.Error{
	Code:    pgerr.FeatureNotSupported,
	Message: "pgseal cannot tell which org the row belongs to: it is in a parameter, and the value is a literal",
	Detail:  "Literals are sealed when the statement is prepared, before its parameters are bound.",
	Hint:    "Give both as parameters, or both as literals.",
	Anchor:  "org-form",
}

// internOrg gives the org as a string, without an allocation for one that this
// session used last.
func (f *frontend) internOrg(text []byte) string {
	if string(text) != f.lastOrg {
		f.lastOrg = string(text)
	}
	return f.lastOrg
}

// opener opens one session's values. It belongs to the backend.
type opener struct {
	s       *session
	key     *crypto.DataKey // last used
	allowed bool            // this user may open what key sealed
	plain   []byte          // scratch; holds plaintext until the next value

	noted    int64            // the audit log's period that opening key's org was last told in
	reported map[string]int64 // the same for all orgs of the session
}

// errOtherOrg is why a value that was moved to another org's row is not opened.
var errOtherOrg = errors.New("the value was sealed for another org than its row's")

// open opens a sealed value into o.plain. With org set, the value must have been
// sealed for it.
func (o *opener) open(sealed []byte, c *policy.Column, org string) error {
	id, err := crypto.KeyID(sealed)
	if err != nil {
		return damaged(c, err)
	}
	if o.key == nil || o.key.ID() != id || !o.s.server.keyring.Usable(o.key) {
		if err := o.fetch(id, c); err != nil {
			return err
		}
	}
	if !o.allowed {
		return o.s.mayNotOpen(o.key.Org(), c)
	}
	if org != "" && org != o.key.Org() {
		return damaged(c, errOtherOrg)
	}
	plain, err := o.key.Open(emptied(o.plain), sealed, c.Context)
	if withdrawn(err) {
		if err := o.fetch(id, c); err != nil {
			return err
		}
		plain, err = o.key.Open(emptied(o.plain), sealed, c.Context)
	}
	switch {
	case withdrawn(err):
		return err
	case err != nil:
		return damaged(c, err)
	}
	o.plain = plain
	o.s.server.metrics.Opened(len(plain))
	if period := o.s.server.config.Audit.Period(); o.noted != period {
		o.note(period, c)
	}
	return nil
}

// fetch gets the data key of a value. Whose key is not to be had is told only to those
// who may use it.
func (o *opener) fetch(id uint64, c *policy.Column) error {
	o.key = nil
	ctx, cancel := context.WithTimeout(o.s.ctx, o.s.server.config.Limits.KeyTimeout)
	defer cancel()
	key, err := o.s.server.keyring.ForOpen(ctx, id)
	if err != nil {
		if org := orgOfKeyError(err); org != "" && !o.s.mayUse(org) {
			return o.s.mayNotOpen(org, c)
		}
		return err
	}
	o.key, o.allowed, o.noted = key, o.s.mayUse(key.Org()), o.reported[key.Org()]
	return nil
}

// withdrawn tells whether a data key was taken away between being given out and being
// used. Whoever asks for it again gets it, or is told why not.
func withdrawn(err error) bool {
	if err == nil {
		return false // nearly always, and at no cost
	}
	var e *pgerr.Error
	return errors.As(err, &e) && e.Code == pgerr.KeyUnavailable
}

// orgOfKeyError tells whose key an error of the keyring's is about, "" when it does not
// know.
func orgOfKeyError(err error) string {
	var e *pgerr.Error
	if errors.As(err, &e) {
		return e.Org
	}
	return ""
}

// note tells the audit log that the org's data was opened, once a period.
func (o *opener) note(period int64, c *policy.Column) {
	org := o.key.Org()
	if o.noted = period; o.reported[org] == period {
		return
	}
	if o.reported == nil {
		o.reported = make(map[string]int64)
	}
	o.reported[org] = period
	o.s.opened(org, c)
}

// damaged is the error of a stored value that does not open.
func damaged(c *policy.Column, cause error) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.DoesNotOpen,
		Message: fmt.Sprintf("a stored value of sealed column %s does not open", c.QualifiedName()),
		Detail:  "It is damaged, or was moved here from another column or org.",
		Hint:    "Restore the value from a backup.",
		Anchor:  "ps003",
		Schema:  c.Table.Schema, Table: c.Table.Name, Column: c.Name,
		Cause: cause,
	}
}

// unreadable tells whether an error is one that the policy's on_unreadable is
// for: the key is not to be had. A damaged value is always an error.
func unreadable(err error) bool {
	var e *pgerr.Error
	if !errors.As(err, &e) {
		return false
	}
	return slices.Contains([]string{pgerr.KeyUnavailable, pgerr.KMSUnreachable, pgerr.NoKey}, e.Code)
}
