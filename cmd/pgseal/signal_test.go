package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/pgtest"
)

// startProcess runs serve in a process of its own.
func startProcess(t *testing.T, file string) (*serving, *exec.Cmd) {
	t.Helper()
	s := &serving{log: &output{}}
	command := exec.Command(os.Args[0], "serve", "-c", file)
	command.Env = append(os.Environ(), asProcess+"=1")
	command.Stderr = s.log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() }) // it has ended, but for a test that failed
	s.findAddresses(t)
	return s, command
}

// TestSignals: SIGTERM and SIGINT drain, and a second one ends the process.
func TestSignals(t *testing.T) {
	dsn := pgtest.Database(t)
	_, kms := startKMS(t)
	file := writeConfig(t, dsn, onFreePorts+kms+policyText)
	pgseal(t, "init", "-c", file).has(t, exitOK)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, twice := range []bool{false, true} {
			s, process := startProcess(t, file)
			until(t, s.log, func() bool { status, _ := s.page(t, "/readyz"); return status == http.StatusOK })
			idle, busy := s.through(t, dsn), s.through(t, dsn)
			tx, err := busy.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := process.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			until(t, s.log, func() bool {
				status, body := s.page(t, "/readyz")
				return status == http.StatusServiceUnavailable && strings.Contains(body, "stopping")
			})
			var ended *pgconn.PgError
			// /readyz tells before the sessions are.
			until(t, s.log, func() bool { _, err = idle.Exec(t.Context(), "SELECT 1"); return err != nil })
			if !errors.As(err, &ended) || ended.Code != "57P01" {
				t.Errorf("%s: an idle session gets %v, want 57P01", signal, err)
			}
			if conn, err := pgx.Connect(t.Context(), "postgres://u@"+s.address+"/d?sslmode=disable"); err == nil {
				t.Errorf("%s: a new client is let in", signal)
				_ = conn.Close(context.Background())
			}
			if twice {
				if err := process.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				_ = process.Wait() // its state tells more
				if status := process.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != signal {
					t.Errorf("a second %s ends the process with %s", signal, process.ProcessState)
				}
				continue
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Errorf("%s: a session in a transaction: %v", signal, err)
			}
			if err := process.Wait(); err != nil {
				t.Errorf("%s: %v; the log:\n%s", signal, err, s.log)
			}
		}
	}
}
