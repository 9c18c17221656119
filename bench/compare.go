package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// compareFiles tells what has changed between two reports.
func compareFiles(w io.Writer, oldFile, newFile string) error {
	before, err := load(oldFile)
	if err != nil {
		return err
	}
	after, err := load(newFile)
	if err != nil {
		return err
	}
	return compare(w, before, after)
}

// compare prints, for each case and target of both reports, how throughput (in an
// open loop: the median latency) relative to the direct way has changed. What the
// machine does else hits both of these, so that reports of different days can be
// compared. It has changed when not one round of the one is within the rounds of
// the other: with five rounds each, chance does that once in 126 times.
func compare(w io.Writer, before, after *Report) error {
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "of direct\t%s\t%s\t\t\n", before.Commit, after.Commit) // Flush gives the error
	olds := map[string]*CaseResult{}
	for _, c := range before.Cases {
		olds[c.Name] = c
	}
	seen := 0
	for _, c := range after.Cases {
		old := olds[c.Name]
		if old == nil {
			continue
		}
		for _, name := range after.Targets {
			if name == "direct" || c.Results[name] == nil || old.Results[name] == nil {
				continue
			}
			seen++
			was, is := old.ofDirect(name), c.ofDirect(name)
			_, _ = fmt.Fprintf(t, "%s, %s\t%.2f (%.2f-%.2f)\t%.2f (%.2f-%.2f)\t%s\t\n", c.Name, name,
				was.median, was.min, was.max, is.median, is.min, is.max, verdict(was, is, c.Rate > 0))
		}
	}
	if seen == 0 {
		return fmt.Errorf("the reports have no case in common")
	}
	return t.Flush()
}

// ofDirect is a target's throughput, or latency in an open loop, of the direct
// way's.
func (c *CaseResult) ofDirect(name string) figure {
	what := perSecond
	if c.Rate > 0 {
		what = p50
	}
	return ratios(c.Results[name], c.Results["direct"], what)
}

// verdict says in a word what has changed beyond noise.
func verdict(was, is figure, latency bool) string {
	change := fmt.Sprintf("%+.0f %%", (is.median/was.median-1)*100)
	switch {
	case is.min > was.max && !latency, is.max < was.min && latency:
		return "better: " + change
	case is.max < was.min && !latency, is.min > was.max && latency:
		return "worse: " + change
	}
	return "as before"
}
