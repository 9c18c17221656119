package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRun measures a little of everything, and shows it in every way: what comes
// out are figures of all targets, and nothing stays behind.
func TestRun(t *testing.T) {
	list, err := choose("^(select 1|batch of 50|copy in|copy out|trace store), text 1 KiB, (prepared|64 MiB)(, 8 clients|)(, open loop at 50%|)$", false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i].Bytes = min(list[i].Bytes, mib)
	}
	report, err := run(t.Context(), list, effort{rounds: 2, round: 20 * time.Millisecond, idle: 20, traced: 100}, "go test")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Cases {
		for _, name := range report.Targets {
			r := c.Results[name]
			if r == nil || len(r.Rounds) != 2 || r.over(perSecond).min <= 0 || r.over(p50).min <= 0 {
				t.Errorf("%s, %s: %+v", c.Name, name, r)
			}
		}
	}
	if len(report.Cases) != len(list) || len(report.OnDisk) == 0 || len(report.Idle) == 0 || report.KMSCalls == 0 {
		t.Errorf("%d cases of %d, disk %v, idle %v, %d calls of KMS", len(report.Cases), len(list), report.OnDisk, report.Idle, report.KMSCalls)
	}

	folder := t.TempDir()
	file := filepath.Join(folder, "report.json")
	if err := report.save(file); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := compareFiles(&out, file, file); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), "as before") != len(report.Cases)*(len(report.Targets)-1) {
		t.Errorf("a report is not like itself:\n%s", out.String())
	}
	if err := report.writePage(folder); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(folder, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Cases {
		if !strings.Contains(string(page), "### "+c.Name) {
			t.Errorf("the page lacks %s", c.Name)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "benchmarks", "throughput.svg")); err != nil {
		t.Error(err)
	}
	out.Reset()
	if err := report.print(&out); err != nil || !strings.Contains(out.String(), "select 1, text 1 KiB") {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

// TestCases: names tell cases apart, and each has what a run needs.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	quick := 0
	for _, c := range cases() {
		if seen[c.Name()] {
			t.Errorf("twice: %s", c.Name())
		}
		seen[c.Name()] = true
		op, ok := ops[c.Op]
		if !ok || op.copies != (c.Bytes > 0) || !op.copies && op.rows == 0 {
			t.Errorf("%+v", c)
		}
		if c.Quick {
			quick++
		}
	}
	if quick < 5 || quick > 12 {
		t.Errorf("%d quick cases", quick)
	}
}

// TestPayload: as many bytes as were asked for, JSON, each seed its own.
func TestPayload(t *testing.T) {
	for _, n := range []int{100, 101, 200, 201, 500, kib, kib16, mib} {
		text := makePayload(1, n)
		if len(text) != n || !json.Valid([]byte(text)) {
			t.Errorf("%d bytes instead of %d: %.200s", len(text), n, text)
		}
		if text != makePayload(1, n) || text == makePayload(2, n) {
			t.Errorf("%d bytes: the seed does not count", n)
		}
	}
}

func result(rates ...float64) *Result {
	r := &Result{}
	for _, rate := range rates {
		r.Rounds = append(r.Rounds, Round{PerSecond: rate})
	}
	return r
}

func TestFigures(t *testing.T) {
	if got := result(5, 1, 3).over(perSecond); got != (figure{3, 1, 5}) {
		t.Error(got)
	}
	if got := result(4, 2).over(perSecond); got != (figure{3, 2, 4}) {
		t.Error(got)
	}
	if got := result().over(perSecond); got != (figure{}) {
		t.Error(got)
	}
	// Round by round: what the machine does else is in both.
	if got := ratios(result(10, 100, 20), result(20, 200, 40), perSecond); got != (figure{0.5, 0.5, 0.5}) {
		t.Error(got)
	}
}

func TestVerdict(t *testing.T) {
	for _, test := range []struct {
		was, is figure
		latency bool
		want    string
	}{
		{figure{1, 0.9, 1.1}, figure{1.5, 1.2, 1.6}, false, "better: +50 %"},
		{figure{1, 0.9, 1.1}, figure{1.5, 1.05, 1.6}, false, "as before"},
		{figure{1, 0.9, 1.1}, figure{0.5, 0.4, 0.8}, false, "worse: -50 %"},
		{figure{1, 0.9, 1.1}, figure{0.5, 0.4, 0.8}, true, "better: -50 %"},
		{figure{1, 0.9, 1.1}, figure{1.5, 1.2, 1.6}, true, "worse: +50 %"},
	} {
		if got := verdict(test.was, test.is, test.latency); got != test.want {
			t.Errorf("%v, %v: %s, want %s", test.was, test.is, got, test.want)
		}
	}
}

func TestTotal(t *testing.T) {
	const said = "% time     seconds  usecs/call     calls    errors syscall\n" +
		" 50.00    0.000010           1        10         2 read\n" +
		"------ ----------- ----------- --------- --------- ----------------\n" +
		"100.00    0.000020           1       144        19 total\n"
	if got := total.FindStringSubmatch(said); got == nil || got[1] != "144" {
		t.Error(got)
	}
}
