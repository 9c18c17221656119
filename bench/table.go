package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// print shows a report on a terminal.
func (r *Report) print(w io.Writer) error {
	m := r.Machine
	_, _ = fmt.Fprintf(w, "%s, commit %s\n%s/%s, %d CPUs (%s), %.0f GiB, %s, Postgres %s, %s\n",
		r.Began.Format(time.DateTime), r.Commit, m.OS, m.Arch, m.CPUs, m.CPU, m.MemoryGiB, m.Go, m.Postgres, orNone(m.Bouncer, "no PgBouncer"))
	_, _ = fmt.Fprintf(w, "medians of rounds; in brackets the least and the greatest\n")
	for _, left := range r.NotDone {
		_, _ = fmt.Fprintf(w, "not measured: %s\n", left)
	}
	for _, c := range r.Cases {
		_, _ = fmt.Fprintf(w, "\n%s\n", c.Name)
		if c.Rate > 0 {
			_, _ = fmt.Fprintf(w, "%.0f requests a second\n", c.Rate)
		}
		t := tabwriter.NewWriter(w, 2, 0, 2, ' ', tabwriter.AlignRight)
		_, _ = fmt.Fprintln(t, strings.Join(c.heads(), "\t")+"\t") // Flush gives the error
		for _, row := range c.rows(r.Targets) {
			_, _ = fmt.Fprintln(t, strings.Join(row, "\t")+"\t")
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	for _, part := range r.parts() {
		_, _ = fmt.Fprintf(w, "\n%s\n", part.title)
		t := tabwriter.NewWriter(w, 2, 0, 2, ' ', tabwriter.AlignRight)
		for _, row := range append([][]string{part.heads}, part.rows...) {
			_, _ = fmt.Fprintln(t, strings.Join(row, "\t")+"\t")
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\npgseal took its first client after %.0f ms; %d calls of KMS in the whole run; all in %s\n", r.Startup, r.KMSCalls, r.Took)
	return err
}

func orNone(s, none string) string {
	if s == "" {
		return none
	}
	return s
}

// heads are the columns of a case's table.
func (c *CaseResult) heads() []string {
	heads := []string{"", "requests/s", "p50", "p90", "p99", "p99.9", "max", "of PgBouncer", "of direct"}
	if c.withCPU() {
		heads = append(heads, "CPU: proxy", "Postgres", "client", "proxy's peak")
	}
	return heads
}

func (c *CaseResult) withCPU() bool {
	for _, r := range c.Results {
		if len(r.Rounds) > 0 && len(r.Rounds[0].CPU) > 0 {
			return true
		}
	}
	return false
}

// rows are a case's rows, a target each.
func (c *CaseResult) rows(targets []string) (rows [][]string) {
	for _, name := range targets {
		r := c.Results[name]
		if r == nil {
			continue
		}
		rate := r.over(perSecond)
		row := []string{name, fmt.Sprintf("%s (%s-%s)", number(rate.median), number(rate.min), number(rate.max))}
		for _, of := range []func(Round) float64{p50, func(r Round) float64 { return r.P90 }, p99,
			func(r Round) float64 { return r.P999 }, func(r Round) float64 { return r.Max }} {
			row = append(row, duration(r.over(of).median))
		}
		for _, other := range []string{"PgBouncer", "direct"} {
			row = append(row, c.ratio(name, other))
		}
		if c.withCPU() {
			for _, who := range []string{"proxy", "Postgres", "client"} {
				row = append(row, duration(r.over(func(r Round) float64 { return r.CPU[who] }).median))
			}
			peak := r.over(func(r Round) float64 { return r.PeakMiB }).median
			row = append(row, orNone(strings.TrimPrefix(fmt.Sprintf("%.0f MiB", peak), "0 MiB"), "-"))
		}
		rows = append(rows, row)
	}
	return rows
}

// ratio is a target's throughput of another one's, in an open loop its median
// latency.
func (c *CaseResult) ratio(name, of string) string {
	base := c.Results[of]
	if base == nil {
		return "-"
	}
	what := perSecond
	if c.Rate > 0 {
		what = p50
	}
	f := ratios(c.Results[name], base, what)
	return fmt.Sprintf("%.2f (%.2f-%.2f)", f.median, f.min, f.max)
}

// part is another table of a report.
type part struct {
	title string
	heads []string
	rows  [][]string
}

func (r *Report) parts() (parts []part) {
	if len(r.Calls) > 0 {
		p := part{title: "system calls of the proxy for one request: " + r.Calls[0].Case, heads: []string{"", "calls"}}
		for _, c := range r.Calls {
			p.rows = append(p.rows, []string{c.Target, fmt.Sprintf("%.1f", c.PerRequest)})
		}
		parts = append(parts, p)
	}
	if len(r.Idle) > 0 {
		p := part{title: fmt.Sprintf("%d sessions that do nothing, and 8 that work", r.Idle[0].Sessions), heads: []string{"", "memory of a session", "p50 of the others", "p99"}}
		for _, i := range r.Idle {
			p.rows = append(p.rows, []string{i.Target, fmt.Sprintf("%.1f KiB", i.KiBEach), duration(i.P50), duration(i.P99)})
		}
		parts = append(parts, p)
	}
	if len(r.OnDisk) > 0 {
		p := part{title: "bytes on disk, a row", heads: []string{"payload", "plain", "sealed", "PGP", "AES"}}
		table := map[string]map[string]float64{}
		var names []string
		slices.SortFunc(r.OnDisk, func(a, b *DiskResult) int { return a.Size - b.Size })
		for _, d := range r.OnDisk {
			name := d.Type + " " + size(int64(d.Size))
			if table[name] == nil {
				table[name] = map[string]float64{}
				names = append(names, name)
			}
			table[name][d.Kind] = d.BytesARow
		}
		for _, name := range names {
			row := []string{name}
			for _, kind := range []string{"plain", "sealed", "pgp", "aes"} {
				row = append(row, orNone(strings.TrimPrefix(fmt.Sprintf("%.0f", table[name][kind]), "0"), "-"))
			}
			p.rows = append(p.rows, row)
		}
		parts = append(parts, p)
	}
	return parts
}

// number writes a rate for people.
func number(n float64) string {
	switch {
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	case n >= 1:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.3f", n)
}

// duration writes microseconds for people.
func duration(micros float64) string {
	switch {
	case micros == 0:
		return "-"
	case micros < 100:
		return fmt.Sprintf("%.1f µs", micros)
	case micros < 1000:
		return fmt.Sprintf("%.0f µs", micros)
	case micros < 100_000:
		return fmt.Sprintf("%.2f ms", micros/1000)
	case micros < 1_000_000:
		return fmt.Sprintf("%.0f ms", micros/1000)
	}
	return fmt.Sprintf("%.2f s", micros/1e6)
}
