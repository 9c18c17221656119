package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// countCalls counts the system calls of the proxies for one request of a case, with
// strace; nothing where there is none or it may not.
func (b *bench) countCalls(ctx context.Context, c Case, e effort) ([]*CallResult, error) {
	var list []*CallResult
	for _, t := range b.targets {
		if t.proxy == nil {
			continue
		}
		g, err := b.gather(ctx, c, t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		n, err := b.strace(ctx, t.proxy.cmd.Process.Pid, func() error {
			for range e.traced {
				if err := ops[c.Op].do(ctx, g.clients[0]); err != nil {
					return err
				}
			}
			return nil
		})
		g.part()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		list = append(list, &CallResult{Case: c.Name(), Target: t.name, PerRequest: float64(n) / float64(e.traced)})
	}
	return list, nil
}

// total is the last line of strace -c: share, seconds, microseconds a call, calls,
// errors, "total".
var total = regexp.MustCompile(`(?m)^\s*100\.00\s+\S+\s+\S+\s+(\d+)\s+(?:\d+\s+)?total$`)

// strace counts a process's system calls while do runs.
func (b *bench) strace(ctx context.Context, pid int, do func() error) (int, error) {
	file := filepath.Join(b.folder, "strace")
	cmd := exec.CommandContext(ctx, "strace", "-f", "-c", "-o", file, "-p", strconv.Itoa(pid))
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	time.Sleep(300 * time.Millisecond) // until it has attached to all threads
	err := do()
	_ = cmd.Process.Signal(syscall.SIGINT) // it may have ended
	_ = cmd.Wait()                         // it tells of the signal
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	found := total.FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("strace counts nothing: may this user trace other processes?")
	}
	return strconv.Atoi(string(found[1]))
}
