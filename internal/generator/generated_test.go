package generator

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pgseal/pgseal/internal/canary"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
)

var (
	statements = flag.Int("statements", 0, "random statements that TestGenerated sends; 0: as many as suit CI")
	firstSeed  = flag.Uint64("seed", 1, "the number of TestGenerated's first script")
	examples   = flag.String("examples", "", "TestGenerated prints examples of the errors and needless refusals whose name this is part of")
	scriptFile = flag.String("script", "", "a script, as TestGenerated prints it, that TestScripts plays")
)

const workers = 3

// TestGenerated plays random scripts against a plain Postgres and through pgseal. Each
// answer is the same or a refusal, and so are the tables at the end. Then files and
// logs are searched for what was sealed.
func TestGenerated(t *testing.T) {
	most := *statements
	if most == 0 {
		most = 2000
	}
	s := startServers(t, workers)
	counts := newTally()
	var next, failed atomic.Int64
	var sent atomic.Int64
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			p := s.pairs[worker]
			session, err := p.dial()
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { session.close() }()
			for failed.Load() < 5 && sent.Load() < int64(most) {
				seed := *firstSeed + uint64(next.Add(1)) - 1
				script := Generate(seed)
				sent.Add(int64(len(script.Steps)))
				f := session.run(script, counts)
				if f == nil {
					continue
				}
				failed.Add(1)
				p.report(t, seed, script, f)
				session.close()
				if session, err = p.dial(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := pgtest.Report(fmt.Sprintf("random statements: %s", counts)); err != nil {
		t.Error(err)
	}
	for _, k := range slices.Sorted(maps.Keys(counts.odd)) {
		t.Logf("odd refusal: %s\n%s", k, counts.odd[k])
	}
	for _, k := range slices.Sorted(maps.Keys(counts.examples)) {
		if *examples != "" && strings.Contains(k, *examples) {
			t.Logf("%s:\n%s", k, strings.Join(counts.examples[k], "\n\n"))
		}
	}
	// Too many errors or refusals, and equality means little.
	if refused := counts.refusals(); t.Failed() || counts.rows < counts.steps*6/10 || counts.errors > counts.steps/5 || refused > counts.steps/4 {
		t.Errorf("%d of %d steps were equal, %d were equal errors, %d refused", counts.rows, counts.steps, counts.errors, refused)
	}
	for _, p := range s.pairs {
		if n := p.unsealed(t); n > 0 {
			t.Errorf("%d values in sealed columns are not sealed", n)
		}
		for _, place := range canary.In([]byte(p.fixture.Log.String())) {
			t.Errorf("pgseal's own log has plaintext: %s", place)
		}
	}
	proxytest.Exec(t, s.sealed.DSN("postgres"), "CHECKPOINT")
	found, read, err := canary.InFiles(s.sealed.DataDir(), s.sealed.LogFile())
	if err != nil || read < 100 {
		t.Fatalf("%d files were searched: %v", read, err)
	}
	if log, err := os.ReadFile(s.sealed.LogFile()); err != nil || bytes.Count(log, []byte("INSERT INTO")) < counts.kinds["insert"]/2 {
		t.Fatalf("the server's log does not have the statements (%v): the search proves nothing", err)
	}
	for _, place := range found {
		t.Errorf("plaintext in %s", place)
	}
}

// TestScripts plays the scripts of testdata, which failed once, or that of -script.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.script")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	if *scriptFile != "" {
		files = []string{*scriptFile}
	}
	s := startServers(t, 1)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".script"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, err := Read(string(raw))
			if err != nil {
				t.Fatal(err)
			}
			counts := newTally()
			if f := s.pairs[0].fails(script, counts); f != nil {
				t.Errorf("%s\n%s", f.kind, f.text)
			}
			if *examples != "" {
				t.Logf("%s\n%v", counts, counts.examples)
			}
		})
	}
	if *examples != "" {
		if log, err := os.ReadFile(s.sealed.LogFile()); err == nil {
			t.Logf("the server's log:\n%s", log[max(0, len(log)-20000):])
		}
	}
}
