package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// Report is all that a run has measured, as it is written in JSON.
type Report struct {
	Machine  Machine
	Command  string
	Began    time.Time
	Took     string
	Commit   string
	NotDone  []string // what was not measured on this machine, and why
	Targets  []string
	About    map[string]string // what each target is
	Startup  float64           // milliseconds until a pgseal that is started takes a client
	Cases    []*CaseResult
	Idle     []*IdleResult
	OnDisk   []*DiskResult
	Calls    []*CallResult
	KMSCalls int // in the whole run
}

// Machine is where a run was made.
type Machine struct {
	OS, Arch, Kernel, CPU string
	CPUs                  int
	MemoryGiB             float64
	Go, Postgres, Bouncer string
}

// CaseResult is what a case gave, by target.
type CaseResult struct {
	Name    string
	Case    Case
	Rate    float64 `json:",omitempty"` // requests a second, in an open loop
	Results map[string]*Result
}

// Result is what one target gave, a Round at a time.
type Result struct {
	Rounds []Round
}

// Round is one turn of a target. Times are in microseconds.
type Round struct {
	Ops                      int64
	PerSecond                float64 // requests
	Rows                     float64 // a second
	P50, P90, P99, P999, Max float64
	Mean                     float64
	CPU                      map[string]float64 `json:",omitempty"` // a request: client, proxy, Postgres
	PeakMiB                  float64            `json:",omitempty"` // of the proxy's memory
	Allocs                   float64            `json:",omitempty"` // a request, in pgseal
}

// IdleResult is what sessions cost that do nothing.
type IdleResult struct {
	Target   string
	Sessions int
	KiBEach  float64 // of the proxy's memory
	P50, P99 float64 // of eight others that work, in microseconds
}

// DiskResult is what a table takes on disk, with its TOAST table and indexes.
type DiskResult struct {
	Kind, Type string
	Size       int
	BytesARow  float64
}

// CallResult is how many system calls the proxy makes for one request.
type CallResult struct {
	Case, Target string
	PerRequest   float64
}

// figure is a median over rounds, and the least and the greatest.
type figure struct{ median, min, max float64 }

// over gives a figure of all rounds.
func (r *Result) over(of func(Round) float64) figure {
	var all []float64
	for _, round := range r.Rounds {
		all = append(all, of(round))
	}
	if len(all) == 0 {
		return figure{}
	}
	slices.Sort(all)
	middle := all[len(all)/2]
	if len(all)%2 == 0 {
		middle = (all[len(all)/2-1] + middle) / 2
	}
	return figure{median: middle, min: all[0], max: all[len(all)-1]}
}

// ratios gives what each round of a target is of the same round of another one: they
// were measured one after the other, so that what else the machine did then hits
// both.
func ratios(r, of *Result, what func(Round) float64) figure {
	var both Result
	for i := range min(len(r.Rounds), len(of.Rounds)) {
		if base := what(of.Rounds[i]); base > 0 {
			both.Rounds = append(both.Rounds, Round{Mean: what(r.Rounds[i]) / base})
		}
	}
	return both.over(func(r Round) float64 { return r.Mean })
}

func perSecond(r Round) float64 { return r.PerSecond }
func p50(r Round) float64       { return r.P50 }
func p99(r Round) float64       { return r.P99 }
func proxyCPU(r Round) float64  { return r.CPU["proxy"] }

// save writes the report.
func (r *Report) save(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// load reads a report.
func load(file string) (*Report, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &r, nil
}
