package proxy

import (
	"slices"
	"strings"

	"github.com/pgseal/pgseal/crypto/audit"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// Settings in the start-up packet: as parameters of their own, or in the parameter
// options as a command line.

// setting gives the values that the start-up packet gives a setting, whose name is in
// lower case.
func (st *startup) setting(name string) (values []string) {
	for parameter, value := range st.parameters {
		if strings.ToLower(parameter) == name {
			values = append(values, value)
		}
	}
	for _, s := range optionSettings(st.parameters["options"]) {
		if s.name == name {
			values = append(values, s.value)
		}
	}
	return values
}

// mayUseOrgs refuses a start-up packet that sets what orgs come from to one that the
// user may not use. The user is not authenticated yet: the audit log says so.
func (st *startup) mayUseOrgs() error {
	p := st.server.config.Policy
	user := st.parameters["user"]
	mayUse := func(org string) bool { return p.MayUse(user, org) }
	for _, name := range settingsOfOrgs(p) {
		for _, org := range st.setting(name) {
			if maySet(mayUse, org) {
				continue
			}
			st.server.config.Audit.Refused(audit.Use{
				How: audit.Connect, Org: org, Claimed: true, User: user, Unauthenticated: true,
				Database: st.parameters["database"], Application: st.parameters["application_name"], Client: hostOf(st.conn),
			})
			return &fatalError{errClaimed(user, org)}
		}
	}
	return nil
}

// settingsOfOrgs are the settings that orgs come from, in lower case.
func settingsOfOrgs(p *policy.Policy) []string {
	names := []string{rewrite.SessionOrg}
	for _, t := range p.Tables {
		if name := strings.ToLower(t.Org.Value); t.Org.Kind == policy.OrgFromSetting && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// optionSetting is a setting of a command line, its name in lower case.
type optionSetting struct{ name, value string }

// optionSettings reads a command line as pg_split_opts, process_postgres_switches and
// ParseLongOption do: words between blanks, in which a backslash takes the next
// character as it is; -c name=value and --name=value; dashes in names are underscores.
func optionSettings(options string) (settings []optionSetting) {
	words := splitOptions(options)
	add := func(s string) {
		name, value, _ := strings.Cut(s, "=")
		settings = append(settings, optionSetting{strings.ToLower(strings.ReplaceAll(name, "-", "_")), value})
	}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if len(word) < 2 || word[0] != '-' {
			continue // the server refuses it
		}
		for i := 1; i < len(word); i++ {
			if !strings.ContainsRune(optionsWithValue, rune(word[i])) {
				continue
			}
			value := word[i+1:]
			if value == "" && len(words) > 0 {
				value, words = words[0], words[1:]
			}
			if word[i] == 'c' || word[i] == '-' {
				add(value)
			}
			break
		}
	}
	return settings
}

// optionsWithValue are the letters with a value behind them ("B:bC:c:D:…-:").
const optionsWithValue = "BCcDdfhkNprStvW-"

// splitOptions is pg_split_opts.
func splitOptions(s string) (words []string) {
	for i := 0; ; {
		for i < len(s) && isBlank(s[i]) {
			i++
		}
		if i == len(s) {
			return words
		}
		var word []byte
		for ; i < len(s) && !isBlank(s[i]); i++ {
			if s[i] == '\\' {
				if i++; i == len(s) {
					break
				}
			}
			word = append(word, s[i])
		}
		words = append(words, string(word))
	}
}

// isBlank is isspace in the C locale.
func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
