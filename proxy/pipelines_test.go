package proxy_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/wirescript"
)

var (
	pipelines    = flag.Int("pipelines", 0, "random pipelines that TestRandomPipelines plays; 0: as many as suit CI")
	pipelineSeed = flag.Uint64("pipeline-seed", 1, "the number of TestRandomPipelines's first pipeline")
)

// pipelineWorkers is how many clients play at once, each on tables of its own.
const pipelineWorkers = 4

// TestRandomPipelines plays random scripts against a plain Postgres, through
// pgseal with sealed columns, and through pgseal with none. The servers'
// messages must be the same; and where a client stops to read, all that Postgres
// has said by then must have come through pgseal too. A script that fails is
// shrunk and printed, to be saved in testdata/wire.
func TestRandomPipelines(t *testing.T) {
	n := *pipelines
	if n == 0 {
		n = 2000
	}
	servers := startPipelineServers(t)
	var next, failed, closed atomic.Int64
	var wg sync.WaitGroup
	for worker := range pipelineWorkers {
		wg.Go(func() {
			players := servers.players(t, worker)
			before := "" // the script that these clients played last
			for failed.Load() < 3 {
				i := next.Add(1) - 1
				if i >= int64(n) || t.Failed() && failed.Load() == 0 {
					return
				}
				seed := *pipelineSeed + uint64(i)
				script := generatePipeline(seed)
				err := players.play(script, seed)
				if err == nil {
					before = script
					// CopyData's place taken by another message ends the connection.
					if players.direct.Gone() {
						closed.Add(1)
						players.close()
						players, before = servers.players(t, worker), ""
					}
					continue
				}
				failed.Add(1)
				players.close()
				if servers.differs(t, worker, script, seed) == nil {
					script = before + script // what went wrong may lie there
				}
				short := servers.shrink(t, worker, script, seed)
				t.Errorf("pipeline %d: %v\nthe shortest script found that fails:\n%s\nit says: %v", seed, err, short, servers.differs(t, worker, short, seed))
				players, before = servers.players(t, worker), ""
			}
		})
	}
	wg.Wait()
	if most := int64(n / 5); closed.Load() > most {
		t.Errorf("%d of %d pipelines ended the connection, want %d at most", closed.Load(), n, most)
	}
}

// pipelineServers are a plain Postgres and pgseal with and without sealed columns.
type pipelineServers struct{ direct, sealed, unsealed string }

// ofWorker gives a script, or SQL, the names of a worker's tables.
func ofWorker(worker int, script string) string {
	return strings.NewReplacer("notes", fmt.Sprintf("notes%d", worker), "plain", fmt.Sprintf("plain%d", worker)).Replace(script)
}

func startPipelineServers(t *testing.T) *pipelineServers {
	s := &pipelineServers{direct: pgtest.Database(t)}
	var tables []string
	for worker := range pipelineWorkers {
		tables = append(tables, ofWorker(worker, "notes"))
	}
	s.sealed = proxytest.Start(t, proxytest.Options{Policy: proxytest.NotesPolicy(tables...)}).Through
	s.unsealed = proxytest.Start(t, proxytest.Options{Policy: proxytest.UnrelatedPolicy()}).Through
	for worker := range pipelineWorkers {
		for _, dsn := range []string{s.direct, s.sealed, s.unsealed} {
			proxytest.Exec(t, dsn, ofWorker(worker, proxytest.NotesTable))
		}
	}
	return s
}

// pipelinePlayers are a worker's clients.
type pipelinePlayers struct {
	worker                   int
	direct, sealed, unsealed *wirescript.Player
}

func (s *pipelineServers) players(t *testing.T, worker int) *pipelinePlayers {
	p := &pipelinePlayers{worker: worker}
	for _, each := range []struct {
		player **wirescript.Player
		dsn    string
	}{{&p.direct, s.direct}, {&p.sealed, s.sealed}, {&p.unsealed, s.unsealed}} {
		player, err := wirescript.NewPlayer(each.dsn)
		if err == nil {
			player.Timeout = 30 * time.Second
			err = player.On("a")
		}
		if err != nil {
			t.Errorf("connect: %v", err)
		}
		*each.player = player
	}
	return p
}

func (p *pipelinePlayers) close() {
	for _, player := range []*wirescript.Player{p.direct, p.sealed, p.unsealed} {
		player.Close()
	}
}

// play plays a script everywhere and tells what differs.
func (p *pipelinePlayers) play(script string, seed uint64) error {
	script = ofWorker(p.worker, script)
	p.direct.Lines, p.direct.Paused, p.direct.Expected = nil, nil, nil
	if err := p.direct.Play(script); err != nil {
		return fmt.Errorf("Postgres itself: %w", err)
	}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, through := range []*wirescript.Player{p.sealed, p.unsealed} {
		wg.Go(func() {
			through.Lines, through.Expected = nil, append([]int{}, p.direct.Paused...)
			through.Cuts = rand.New(rand.NewPCG(seed, uint64(i)+1))
			err := through.Play(script)
			if diff := cmp.Diff(p.direct.Lines, through.Lines); diff != "" {
				err = errors.Join(err, fmt.Errorf("answers differ from Postgres's (-Postgres +pgseal):\n%s", diff))
			}
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", []string{"sealed", "nothing sealed"}[i], err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// differs plays a script on connections of its own.
func (s *pipelineServers) differs(t *testing.T, worker int, script string, seed uint64) error {
	players := s.players(t, worker)
	defer players.close()
	for _, player := range []*wirescript.Player{players.direct, players.sealed, players.unsealed} {
		player.Timeout = 3 * time.Second
	}
	return players.play(script, seed)
}

// shrink leaves lines out of a script as long as it still fails. The lines that
// end it stay.
func (s *pipelineServers) shrink(t *testing.T, worker int, script string, seed uint64) string {
	lines := strings.Split(strings.TrimSpace(script), "\n")
	end := len(lines) - 1
	for lines[end] != "f the end" {
		end--
	}
	deadline := time.Now().Add(2 * time.Minute)
	for size := end / 2; size > 0; size /= 2 {
		for at := 0; at+size <= end && time.Now().Before(deadline); {
			shorter := slices.Delete(slices.Clone(lines), at, at+size)
			if syncBehindData(shorter) || s.differs(t, worker, strings.Join(shorter, "\n"), seed) == nil {
				at += size
				continue
			}
			lines, end = shorter, end-size
		}
	}
	return strings.Join(lines, "\n")
}

// TestPipelinesAreDeterministic: a number always gives the same script, and
// scripts can be read.
func TestPipelinesAreDeterministic(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(200) {
		script := generatePipeline(seed)
		if again := generatePipeline(seed); again != script {
			t.Fatalf("pipeline %d differs from itself:\n%s", seed, cmp.Diff(script, again))
		}
		for line := range strings.Lines(script) {
			line = strings.TrimSuffix(line, "\n")
			word, _, _ := strings.Cut(line, " ")
			if kinds[word]++; word == "wait" || word == "pause" {
				continue
			}
			if _, err := wirescript.Parse(line); err != nil {
				t.Errorf("pipeline %d, %q: %v", seed, line, err)
			}
		}
	}
	for _, kind := range strings.Fields("Q P B D E C H S d c f F pause") {
		if kinds[kind] < 10 {
			t.Errorf("%d messages of kind %s in 200 pipelines", kinds[kind], kind)
		}
	}
}
