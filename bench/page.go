package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writePage writes benchmarks.md into the folder, and its charts beside it.
func (r *Report) writePage(folder string) error {
	if err := os.MkdirAll(filepath.Join(folder, "benchmarks"), 0o755); err != nil {
		return err
	}
	var s strings.Builder
	m := r.Machine
	fmt.Fprintf(&s, "# What pgseal costs\n\nWritten by `%s` on %s, in %s, of commit `%s`: nothing here is typed in by hand.\n\n",
		r.Command, r.Began.Format("2006-01-02"), r.Took, r.Commit)
	fmt.Fprintf(&s, "Machine: %s/%s, %s, %d CPUs, %.0f GiB, kernel %s. %s, Postgres %s, %s. Client, proxy and Postgres share it.\n\n",
		m.OS, m.Arch, m.CPU, m.CPUs, m.MemoryGiB, m.Kernel, m.Go, m.Postgres, orNone(m.Bouncer, "no PgBouncer"))
	s.WriteString("Postgres waits for no disk (`fsync` and `synchronous_commit` are off): what a disk takes would hide what a proxy costs. " +
		"Figures are medians of rounds, in brackets the least and the greatest. In each round the targets take turns; ratios are of rounds that " +
		"were measured one after the other. Look at the ratios: times are this machine's.\n\n| target | what it is |\n|---|---|\n")
	for _, name := range r.Targets {
		fmt.Fprintf(&s, "| %s | %s |\n", name, r.About[name])
	}
	s.WriteString("\npgcrypto is left out where the payload of one request is 1 GiB, which it takes minutes for, and with TLS.\n")
	for _, left := range r.NotDone {
		fmt.Fprintf(&s, "\nNot measured: %s.\n", left)
	}
	s.WriteString("\n")
	for _, c := range r.charts() {
		drawn, err := c.draw(filepath.Join(folder, "benchmarks"), r.Targets)
		if err != nil {
			return err
		}
		if drawn {
			fmt.Fprintf(&s, "![%s](benchmarks/%s)\n\n", c.title, c.file)
		}
	}
	s.WriteString("## Cases\n")
	for _, c := range r.Cases {
		fmt.Fprintf(&s, "\n### %s\n\n", c.Name)
		if c.Rate > 0 {
			fmt.Fprintf(&s, "%.0f requests a second; the ratios are of the median latency.\n\n", c.Rate)
		}
		markdown(&s, c.heads(), c.rows(r.Targets))
	}
	for _, p := range r.parts() {
		fmt.Fprintf(&s, "\n## %s\n\n", strings.ToUpper(p.title[:1])+p.title[1:])
		markdown(&s, p.heads, p.rows)
	}
	fmt.Fprintf(&s, "\n## Besides\n\npgseal took its first client %.0f ms after it was started. KMS was called %d times in the whole run.\n", r.Startup, r.KMSCalls)
	return os.WriteFile(filepath.Join(folder, "benchmarks.md"), []byte(s.String()), 0o644)
}

// markdown writes a table.
func markdown(s *strings.Builder, heads []string, rows [][]string) {
	fmt.Fprintf(s, "| %s |\n|%s|\n", strings.Join(heads, " | "), "---|"+strings.Repeat("---:|", len(heads)-1)[:4*(len(heads)-1)-1])
	for _, row := range rows {
		fmt.Fprintf(s, "| %s |\n", strings.Join(row, " | "))
	}
}
