package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/procfs"
)

var ourPID = os.Getpid()

// describe begins a report: where it is made, and of what.
func (b *bench) describe(ctx context.Context, command string) *Report {
	r := &Report{
		Machine: Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version(), Postgres: b.version},
		Command: command, Began: time.Now().UTC().Truncate(time.Second), Commit: commit(ctx), NotDone: b.left, About: map[string]string{},
		Startup: micro(b.startup) / 1000,
	}
	if b.bouncer != nil {
		r.Machine.Bouncer = b.bouncer.version
	}
	for _, t := range b.targets {
		r.Targets = append(r.Targets, t.name)
		r.About[t.name] = t.what
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		r.Machine.Kernel = strings.TrimSpace(string(text))
	}
	if fs, err := procfs.NewDefaultFS(); err == nil {
		if m, err := fs.Meminfo(); err == nil && m.MemTotal != nil {
			r.Machine.MemoryGiB = float64(*m.MemTotal) / (1 << 20)
		}
	}
	r.Machine.CPU = processor()
	return r
}

// processor is the CPU's own name for itself.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// commit is what is measured.
func commit(ctx context.Context) string {
	said, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(said))
}

// onDisk tells what the tables that were filled take on disk.
func (b *bench) onDisk(ctx context.Context, list []Case) ([]*DiskResult, error) {
	conn, err := pgx.Connect(ctx, b.server.DSN("postgres"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // the server ends later
	var results []*DiskResult
	done := map[string]bool{}
	for _, t := range b.targets {
		for name, c := range tablesOf(t, list).filled {
			if done[name] {
				continue
			}
			done[name] = true
			r := &DiskResult{Kind: t.kind, Type: c.Type, Size: c.Size}
			if err := conn.QueryRow(ctx, fmt.Sprintf("SELECT pg_total_relation_size('%s')::float8 / (SELECT count(*) FROM %s)", name, name)).Scan(&r.BytesARow); err != nil {
				return nil, err
			}
			results = append(results, r)
		}
	}
	return results, nil
}
