package proxy

import (
	"errors"
	"slices"
	"strconv"

	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/rewrite"
)

// bytea_output and extra_float_digits decide how text of some types is written, and
// the server reports neither. They are asked for where such text is to be written, once
// a session, and again when something may have changed them.

const askPrintingSQL = "SELECT pg_catalog.current_setting('bytea_output'), pg_catalog.current_setting('extra_float_digits')"

// printed gives the settings with others for printing, s itself when they are the same.
func (s *settings) printed(by pgtypes.Printing) *settings {
	if s.printing == by {
		return s
	}
	changed := *s
	changed.printing = by
	changed.setEnv()
	return &changed
}

// inText: the client is sent text.
func inText(int) pgtypes.Format { return pgtypes.Text }

// askPrinting makes sure that the settings are known which a statement's results are
// written by; format gives the format of a result column. Like askSettings it must be
// called before the statement's message is begun.
func (p *planner) askPrinting(f *frontend, st *rewrite.Statement, format func(i int) pgtypes.Format) error {
	if !p.printsBySettings(st, format) {
		return nil
	}
	if p.called { // see askSetting
		p.called = false
		p.forgetSettings()
	}
	if p.printing {
		return nil
	}
	rows, err := f.ask(askPrintingSQL)
	switch {
	case unanswered(err) != nil:
		return nil // what comes is not executed either
	case err != nil:
		return err
	case len(rows) != 1 || len(rows[0]) != 2:
		return errors.New("the server's answer about its settings has another form")
	}
	digits, err := strconv.Atoi(rows[0][1])
	if err != nil {
		return errors.New("extra_float_digits is no number")
	}
	by := pgtypes.Printing{ByteaEscape: rows[0][0] == "escape", FloatDigits: min(digits, 1) - 1}
	p.printing = true
	f.s.settings.Store(f.s.settings.Load().printed(by))
	return nil
}

// printsBySettings tells whether a statement's results are written as text that depends
// on the settings. What a FETCH returns is not known from its plan: it does when any
// cursor of the session did.
func (p *planner) printsBySettings(st *rewrite.Statement, format func(i int) pgtypes.Format) bool {
	switch {
	case st.Cursor != nil && st.Cursor.Op == rewrite.FetchesCursor:
		return p.cursorsPrint
	case st.Cursor != nil:
		p.cursorsPrint = p.cursorsPrint || outputsPrint(st.Cursor.Query.Outputs, inText)
		return false
	case st.Copy != nil && !st.Copy.In:
		return slices.ContainsFunc(st.Copy.Fields, func(field rewrite.CopyField) bool {
			return field.Column != nil && pgtypes.PrintedBySettings(field.Column.Type) && (st.Copy.Format != rewrite.CopyBinary || len(field.Steps) > 0)
		})
	}
	return outputsPrint(st.Outputs, format)
}

func outputsPrint(outputs []rewrite.Output, format func(i int) pgtypes.Format) bool {
	for i := range outputs {
		o := &outputs[i]
		if pgtypes.PrintedBySettings(o.Column.Type) && (len(o.Steps) > 0 || format(o.Index) == pgtypes.Text) ||
			pgtypes.PrintedBySettings(o.Type) && format(o.Index) == pgtypes.Text {
			return true
		}
	}
	return false
}

// forgetSettings forgets what was asked of the session's settings.
func (p *planner) forgetSettings() {
	clear(p.settings)
	p.printing = false
}
