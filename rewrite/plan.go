package rewrite

import (
	"reflect"
	"slices"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/policy"
)

// Plan is what pgseal does with one statement text. It is immutable and holds
// positions in that text, never a copy of it. All positions are byte offsets
// but for those in refusals, which count characters as Postgres does.
type Plan struct {
	// Relay: the text names nothing sealed and goes to the server as it came.
	// Statements is empty then, and the text was not parsed unless a flag of
	// Effects asked for it.
	Relay bool

	// Refusal refuses the whole text: it does not parse, is too deep, or can't
	// be read safely. Nothing of it is forwarded.
	Refusal *pgerr.Error

	// NeedsSearchPath: a name without a schema stands for several relations, of
	// which one is sealed. Plan again with Env.SearchPath filled in.
	NeedsSearchPath bool

	// NeedsCatalog: the text touches something sealed and names a relation that
	// the snapshot does not have. Load the catalog anew and plan again with
	// Env.CatalogIsFresh; if the relation is still unknown then, the plan
	// refuses or, where that is safe, lets Postgres answer.
	NeedsCatalog bool

	Effects    Effects     // of all statements together
	Statements []Statement // in order; more than one only in a simple Query
}

// Cacheable tells whether the plan may be kept for the next time that the same
// text comes: not when it holds a literal of the client's, which is plaintext,
// nor when it is no final answer.
func (p *Plan) Cacheable() bool {
	if p.Refusal != nil || p.NeedsSearchPath || p.NeedsCatalog {
		return false
	}
	for i := range p.Statements {
		st := &p.Statements[i]
		if len(st.Literals) > 0 || st.Refusal != nil || holdsValues(st) || st.Execute != nil && len(st.Execute.args) > 0 {
			return false
		}
	}
	return true
}

// holdsValues tells whether what a statement computes has a value of the client's in it.
func holdsValues(st *Statement) bool {
	outputs := st.Outputs
	if st.Prepare != nil {
		outputs = st.Prepare.Statement.Outputs
	}
	if st.Cursor != nil {
		outputs = st.Cursor.Query.Outputs
	}
	for i := range outputs {
		if slices.ContainsFunc(outputs[i].Steps, func(s pgexpr.Step) bool { return s.HoldsValue() }) {
			return true
		}
	}
	if st.Copy == nil {
		return false
	}
	for i := range st.Copy.Fields {
		if slices.ContainsFunc(st.Copy.Fields[i].Steps, func(s pgexpr.Step) bool { return s.HoldsValue() }) {
			return true
		}
	}
	return false
}

// Effects tells what a text may change outside of tables' rows. It errs on the
// side of yes: for a relayed text it comes from the scan's keywords alone.
type Effects uint8

const (
	// ChangesCatalog: DDL; the snapshot must be loaded again afterwards.
	ChangesCatalog Effects = 1 << iota
	// ChangesSettings: SET, RESET, DISCARD, set_config, or the end of a
	// transaction by ROLLBACK: what pgseal knows of the session's settings
	// (pgseal.org, search_path) must be asked for again.
	ChangesSettings
	// NamesStatements: PREPARE, DEALLOCATE or DISCARD; see Statement.Prepare.
	NamesStatements
	// ExecutesStatements: EXECUTE; see Statement.Execute.
	ExecutesStatements
	// CallsFunctions: a function is called, which may have set the setting that
	// orgs come from. Only planned texts have it; of a relayed one nobody looked.
	CallsFunctions
	// UsesCursors: a statement begins with DECLARE, FETCH, MOVE or CLOSE; see
	// Statement.Cursor.
	UsesCursors
)

// PlannedAsCursors tells whether a text that names nothing sealed is planned all the
// same, for what it does with cursors. Where no cursor of the session can have sealed
// columns that pgseal knows of, what a FETCH returns tells which are sealed.
func (e Effects) PlannedAsCursors(env Env) bool {
	return e&UsesCursors != 0 && (env.SealedNames || env.MayRaw || e&ChangesSettings != 0)
}

// Statement is one statement of a text.
type Statement struct {
	Start, End int // its range in the text, without the semicolon
	before     int // the number of characters before Start

	// Refusal is set when the statement is not forwarded. It parses all the same.
	// All else is empty then.
	Refusal *pgerr.Error

	Edits    []Edit     // fixed replacements, sorted, not overlapping each other or Literals
	Literals []Literal  // values to seal in the text, sorted
	Params   []Param    // sealed parameters, sorted by Number, each Number once
	Orgs     []OrgPlace // where the session's org is written into the text, sorted
	// NoParams: the parameters of the message don't reach into it (EXECUTE, COPY).
	NoParams bool
	// StepParams are the parameters of Outputs' Steps, sorted by Number. They stand in
	// the statement for their types alone: NULL is sent for them.
	StepParams []StepParam
	// OneOrg are orgs that must be one and the same when the statement is run.
	OneOrg []OneOrg
	Held   *Held // set where a row may be one that the statement fails at; see Held
	// NumParams is the highest number of any parameter in the statement.
	NumParams int

	// NumOutputs is the number of columns that the statement returns, zero when
	// it returns no rows, -1 when pgseal does not know (then there are no Outputs).
	NumOutputs int
	Outputs    []Output // the sealed ones, sorted by Index

	Copy *Copy // for COPY of a relation with sealed columns

	// Raw: the values of Literals, Params and Copy must be sealed already, and go
	// through as they are; so does what a FETCH returns.
	Raw bool

	// ShowsTypes are the starts of those Edits that put what shows logical types in the
	// place of catalog relations.
	ShowsTypes []int

	// Pure: a SELECT that changes no row and locks none. (The functions that it
	// may call are not looked into.)
	Pure bool

	// Writes: it writes rows.
	Writes bool

	// UsesPath: a name without a schema stands for one of several relations, of which
	// one is sealed.
	UsesPath bool

	SetsOrg     []OrgSet // where it sets a setting that orgs come from
	Prepare     *Prepare // of SQL's PREPARE
	Execute     *Execute // of EXECUTE, also within EXPLAIN or CREATE TABLE AS
	Cursor      *Cursor  // of DECLARE, FETCH, MOVE and CLOSE
	Deallocates []string // names that DEALLOCATE drops; "" stands for all of them
}

// DependsOnRaw tells whether the statement would be another one in raw mode.
func (st *Statement) DependsOnRaw() bool { return len(st.ShowsTypes) > 0 || st.hasValues() }

// hasValues tells whether sealed values go in or out.
func (st *Statement) hasValues() bool {
	switch {
	case len(st.Params)+len(st.Literals)+len(st.Outputs) > 0, st.Copy != nil:
		return true
	case st.Prepare != nil:
		return st.Prepare.Statement.hasValues()
	case st.Cursor != nil:
		return st.Cursor.Op == FetchesCursor || st.Cursor.Query.hasValues()
	}
	return false
}

// Equal tells whether two plans of one text, made at different times, do the same
// with its values. What stands for the catalog may have another text.
func (st *Statement) Equal(other *Statement) bool {
	return st == other || reflect.DeepEqual(st.withoutTypes(), other.withoutTypes())
}

func (st *Statement) withoutTypes() *Statement {
	if len(st.ShowsTypes) == 0 {
		return st
	}
	c := *st
	c.Edits = slices.Clone(st.Edits)
	for i := range c.Edits {
		if slices.Contains(st.ShowsTypes, c.Edits[i].Start) {
			c.Edits[i].Text = ""
		}
	}
	return &c
}

// Opens tells whether the statement hands out sealed values that are to be opened.
func (st *Statement) Opens() bool { return len(st.Outputs) > 0 || st.Copy != nil && !st.Copy.In }

// OneOrg are the orgs of rows that are inserted, of which one may meet another row: what
// is stored there is sealed for the first of them, so they must be the same.
type OneOrg struct {
	Orgs    []OrgRef     // OrgValue and OrgParam
	Refusal *pgerr.Error // if they are not
}

// Held tells which of pgseal's rules a statement has broken where the server says that a
// value violates the type pgseal.sealed: the text has such a value where a row is met
// that the statement must not change.
type Held struct {
	Column *policy.Column
	At     int // the place of its value, or the org's: characters, from 1
	// Moves: the row would get another org while the column keeps its value. Otherwise
	// ON CONFLICT DO UPDATE of the column has met a row of another org than the inserted
	// one's, or UPDATE WHERE CURRENT OF one of another than the session's.
	Moves bool
}

// elsewhere is h for a text in which its place is not.
func (h *Held) elsewhere() *Held {
	if h == nil {
		return nil
	}
	return &Held{Column: h.Column, Moves: h.Moves}
}

// Edit replaces a range of the text.
type Edit struct {
	Start, End int
	Text       string
}

// OrgPlace is a place where the statement does not name the org of its rows, and
// the session's is written in: Before, the org as an expression of the org column's
// type, After. Values are sealed for the org that is written, so the rows that get
// them are that org's.
type OrgPlace struct {
	At            int
	Before, After string
	Org           OrgRef // OrgSetting, with the type
}

// Literal is a value in the text that is to be sealed. Its range, which covers
// a cast around it too, is replaced by a literal of the sealed value.
type Literal struct {
	Start, End int
	At         int         // where the value itself begins, for errors
	Value      secret.Text // what the literal denotes, in text form
	// TypeOID is the type that Postgres gives it; 0 for a string, which takes the
	// column's. Of an argument of EXECUTE it may be what its parameter is declared as, and
	// beside other values what those are; Declared tells so where Postgres reads a string
	// as that type.
	TypeOID  uint32
	Declared bool
	// Via is the type that the statement casts it to, where that is another than the
	// column's; nil where not.
	Via    *policy.Type
	Column *policy.Column
	Org    OrgRef
	// AtRun: Postgres reads it as the column's type when the statement runs, so errors
	// have no place in the text.
	AtRun bool
	// Array: it is an array of type TypeOID whose elements are sealed one by one, each
	// for the org at its place in Orgs, if there are any; that may be unknown. ByText:
	// the elements are text, and read as the column's type from that.
	Array, ByText bool
	Orgs          []OrgRef
	// Cast: the replacement must carry its type ('\x…'::pgseal.sealed), since
	// nothing around it tells Postgres what it is.
	Cast bool
	// Cut: the statement casts it to the column's type, which cuts what is too long.
	Cut bool
}

// Param is a parameter whose value is sealed.
type Param struct {
	Number   int // from 1
	Position int // where Postgres says that it does not fit its column: characters, from 1
	Column   *policy.Column
	Org      OrgRef
	// TypeOID is the type that Postgres gives it where the client declares none; zero
	// for the column's, and for an array that the client must declare.
	TypeOID uint32
	// Cut: the statement casts it to the column's type, which cuts what is too long.
	Cut bool
	// Via is the type that the statement casts it to, nil for none.
	Via *policy.Type
	// Array: it is an array whose elements are sealed one by one. ByText: the elements
	// are text, and read as the column's type from that.
	Array, ByText bool
}

// StepParam is a parameter that is an argument of what is computed after opening.
type StepParam struct {
	Number int    // from 1
	OID    uint32 // the type that it has where the client declares none
	// Fixed: it is of that type whatever it is declared as. Otherwise a key of an
	// object may be declared as integer, and is the index of an array then.
	Fixed bool
}

// OrgRefKind tells where the org of a sealed value is found when the statement
// runs.
type OrgRefKind uint8

const (
	OrgUnknown OrgRefKind = iota // nothing in the statement tells (only in an Output)
	OrgValue                     // Value
	OrgParam                     // the parameter Param, of type TypeOID
	OrgSetting                   // the session setting Value
	OrgField                     // the field Field of the same row: of COPY's data, or of the result
	OrgElement                   // the element at the same place of the array Param, whose elements are of type TypeOID
)

// OrgRef tells where the org of a sealed value is found.
type OrgRef struct {
	Kind    OrgRefKind
	Value   string // the org, or the setting's name
	Param   int    // from 1
	Field   int    // from 0
	TypeOID uint32 // the org column's type, for OrgParam and OrgField; for OrgSetting zero without a column
}

// Output is a result column that holds sealed values.
type Output struct {
	Index  int // from 0
	Column *policy.Column
	// Type is what the client sees: the column's, or that of what is computed of it.
	Type policy.Type
	// NoModifier: Postgres tells the client of no type modifier, whatever Type has.
	NoModifier bool
	// Array: the server returns an array of sealed values, which are opened, and computed
	// on, one by one.
	Array bool
	Steps []pgexpr.Step // what is computed on the opened value; without, it is handed on
	// Program runs Steps, nil without. With parameters it must be compiled anew.
	Program *pgexpr.Program
	// Org is where the org of the row is known from: OrgField when the same row
	// of the result has the org column, OrgValue or OrgParam when the WHERE
	// clause demands it, OrgUnknown otherwise. A value that is sealed under
	// another org does not open.
	Org OrgRef
}

// CopyFormat is COPY's FORMAT.
type CopyFormat uint8

const (
	CopyText CopyFormat = iota
	CopyCSV
	CopyBinary
)

// CopyHeader is COPY's HEADER.
type CopyHeader uint8

const (
	CopyNoHeader    CopyHeader = iota
	CopySkipHeader             // the first line is a header
	CopyMatchHeader            // and must name the columns
)

// Copy describes a COPY that moves sealed columns.
type Copy struct {
	In         bool   // FROM STDIN; otherwise TO STDOUT
	Table      string // the relation's name, empty for a query
	Format     CopyFormat
	Delimiter  byte   // text and CSV
	Quote      byte   // CSV only
	Escape     byte   // CSV only
	Null       string // text and CSV: the text that stands for NULL
	HasDefault bool   // text and CSV, FROM: DEFAULT is given
	Default    string // the text that stands for the column's default
	Header     CopyHeader
	Encoding   string // of the data, its letters in lower case and digits alone: utf8; empty for client_encoding
	// IgnoreErrors is ON_ERROR ignore: rows with values that are not of their
	// column's type are skipped.
	IgnoreErrors bool
	// Doubtful: pgseal cannot read the options, and expects the server to refuse
	// them. No data may pass.
	Doubtful bool
	Fields   []CopyField
	// AddsOrg: the server's statement has one column more, the last, for the session's
	// org, which the rows do not name. Nil where it has not.
	AddsOrg *AddedOrg
}

// AddedOrg is the column that takes the session's org in a COPY FROM.
type AddedOrg struct {
	Name string
	Org  OrgRef // OrgSetting, with the column's type
}

// CopyField is a field of each line, in order.
type CopyField struct {
	Name         string          // of the column
	Column       *policy.Column  // nil for a column that is not sealed
	Type         policy.Type     // as in Output, for sealed fields
	Array        bool            // likewise
	Steps        []pgexpr.Step   // as in Output, of a query TO STDOUT
	Program      *pgexpr.Program // likewise
	Org          OrgRef          // for sealed fields; OrgUnknown and OrgParam only TO STDOUT
	ForceQuote   bool
	ForceNotNull bool
	ForceNull    bool
}

// Env is what a plan depends on besides the text and the snapshot.
type Env struct {
	// SearchPath are the schemas that current_schemas(true) gives, nil when
	// nobody asked yet.
	SearchPath []string
	// CatalogIsFresh: the snapshot was loaded for this statement.
	CatalogIsFresh bool
	// Extended: the text came in a Parse, so it holds one statement at most and
	// may have parameters.
	Extended bool
	// StandardStrings is standard_conforming_strings. When it is off, texts
	// that touch anything sealed are refused: the grammar would read their
	// literals wrongly.
	StandardStrings bool
	// Raw is the setting pgseal.raw: sealed values are handed out as they are
	// stored, and only sealed values are taken. MayRaw: this user may set it.
	Raw, MayRaw bool
	// LocalSettings: the transaction under way may have changed settings, which its
	// end undoes.
	LocalSettings bool
	// SealedNames: the session has, or had, prepared statements or cursors that touch
	// something sealed. Without, what runs such a name may pass after the scan.
	SealedNames bool
	// UTF8: client_encoding is UTF8 (or SQL_ASCII). Otherwise texts that touch
	// anything sealed must be plain ASCII.
	UTF8 bool
	// NewNumbers: the server reads 0x1F and 1_000 as this package does: it is Postgres 16
	// or newer. Others make another number and a name of them.
	NewNumbers bool
}
