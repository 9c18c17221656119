package generator

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Script is what one session sends.
type Script struct {
	Steps   []*Step
	choices [][]int // of each step
}

// Step is a text or several messages, after which the server becomes ready once.
type Step struct {
	// Lines are the messages, as package wirescript has them.
	Lines []string
	// Oracle are the messages for the plain Postgres, where they are others: what pgseal
	// adds to a statement (the session's org) stands in them.
	Oracle []string
	// Texts are the statements of a simple Query one by one, as the oracle gets them;
	// empty in the extended protocol.
	Texts []string
	// Unordered: rows come in any order.
	Unordered bool
	// Opaque: what stands in rows differs between any two databases (EXPLAIN).
	Opaque bool
	// Deserved: the statement searches or computes on a sealed column, or stores its
	// values elsewhere, so that a refusal is right.
	Deserved bool
	// Control: it begins or ends a transaction, prepares or sets something, so that it
	// cannot be tried and undone.
	Control bool
	// Faults counts the deliberate mistakes. Of several, either may be told of.
	Faults int
	// Kind names the statement's kind, for the counts.
	Kind string
}

// Generate makes the script of a number: the same number, the same script.
func Generate(seed uint64) *Script {
	r := rand.New(rand.NewPCG(seed, 0))
	g := newGen(seed)
	script := &Script{}
	for range 6 + r.IntN(14) {
		g.d = &draws{random: r}
		script.add(g)
	}
	return script
}

func (s *Script) add(g *gen) {
	s.Steps = append(s.Steps, g.step())
	s.choices = append(s.choices, g.d.made)
}

// build makes a script of recorded choices.
func build(seed uint64, choices [][]int) *Script {
	g := newGen(seed)
	script := &Script{}
	for _, c := range choices {
		g.d = &draws{replay: c}
		script.add(g)
	}
	return script
}

// String is the script's messages, a line each, for TestScript.
func (s *Script) String() string {
	var b strings.Builder
	for _, step := range s.Steps {
		fmt.Fprintf(&b, "# %s%s\n", step.Kind, step.flags())
		for _, line := range step.Lines {
			b.WriteString(line + "\n")
		}
		for _, line := range step.Oracle {
			b.WriteString("#oracle " + line + "\n")
		}
	}
	return b.String()
}

func (s *Step) flags() string {
	out := ""
	for _, f := range []struct {
		on   bool
		name string
	}{{s.Unordered, "unordered"}, {s.Opaque, "opaque"}, {s.Deserved, "deserved"}, {s.Control, "control"}, {s.Faults > 0, "faulty"}} {
		if f.on {
			out += " " + f.name
		}
	}
	return out
}

// parameter is a value that a Bind carries.
type parameter struct {
	value  value
	null   bool
	format int
	oid    uint32
	again  func() value // makes another value for the same place
	typ    string       // what it may be cast to
}

func (p *parameter) String() string {
	switch {
	case p.null:
		return "NULL"
	case p.format == 1:
		return "x'" + hex.EncodeToString(p.value.binary) + "'"
	}
	return "x'" + hex.EncodeToString([]byte(p.value.text)) + "'"
}

// The marks around what only the oracle is sent, and around what it is not sent.
const oracleBegin, oracleEnd = "\x01", "\x02"

// forClient leaves out what is the oracle's only.
func forClient(sql string) string {
	for {
		before, rest, found := strings.Cut(sql, oracleBegin)
		if !found {
			return sql
		}
		_, behind, _ := strings.Cut(rest, oracleEnd)
		sql = before + behind
	}
}

func forOracle(sql string) string {
	return strings.NewReplacer(oracleBegin, "", oracleEnd, "").Replace(sql)
}

// text gives a statement's text as a script's line has it.
func text(sql string) string {
	if strings.ContainsAny(sql, "\n|\"\r\t") || strings.TrimSpace(sql) != sql || sql == "" || strings.Contains(sql, "\\") {
		return fmt.Sprintf("%q", sql)
	}
	return sql
}

// Read reads what String writes; comments that begin with two signs are passed by.
func Read(s string) (*Script, error) {
	script := &Script{}
	var step *Step
	for line := range strings.Lines(s) {
		line = strings.TrimSuffix(line, "\n")
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "##":
		case words[0] == "#" && len(words) > 1:
			has := func(flag string) bool { return slices.Contains(words[2:], flag) }
			step = &Step{Kind: words[1], Unordered: has("unordered"), Opaque: has("opaque"), Deserved: has("deserved"), Control: has("control")}
			if has("faulty") {
				step.Faults = 1
			}
			script.Steps = append(script.Steps, step)
		case step == nil:
			return nil, fmt.Errorf("%q stands before the first step", line)
		case words[0] == "#oracle":
			step.Oracle = append(step.Oracle, strings.TrimPrefix(line, "#oracle "))
		default:
			step.Lines = append(step.Lines, line)
		}
	}
	return script, nil
}
