package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// errPortTaken is given when the server ended because its port is in use.
var errPortTaken = errors.New("the port is taken")

const (
	readyPoll  = 5 * time.Millisecond
	readyLimit = 30 * time.Second
	endLimit   = 10 * time.Second
	logTail    = 2048 // bytes of the server's log that an error shows
)

// ourSettings make the server fast to start, quiet and alike everywhere.
var ourSettings = map[string]string{
	"fsync":              "off",
	"synchronous_commit": "off",
	"full_page_writes":   "off",
	"autovacuum":         "off", // no surprises in plans, timing and the log
	"max_connections":    "200",
	"listen_addresses":   "127.0.0.1",
	"logging_collector":  "off",
	"log_destination":    "stderr",
	"timezone":           "UTC",
	"log_timezone":       "UTC",
	"shared_buffers":     "64MB",
}

// environment is what initdb and postgres see: nothing of the caller's PG*
// variables, and messages in English.
func environment() []string {
	return []string{"LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}
}

func initdb(ctx context.Context, o Options, p *place, bin string) error {
	args := []string{
		"--pgdata=" + p.data(), "--username=" + o.SuperUser, "--auth=" + o.Auth,
		"--encoding=UTF8", "--locale=C", "--no-sync",
	}
	if o.Password != "" {
		file, err := p.writeOwned("password", []byte(o.Password.Reveal()+"\n"))
		if err != nil {
			return err
		}
		defer func() { _ = os.Remove(file) }()
		args = append(args, "--pwfile="+file)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", environment(), sysProcAttr(p.user, false)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("postgres: %s: %w: %s", cmd.Path, err, tail(out))
	}
	return configure(o, p)
}

// configure appends to postgresql.conf: there the last word wins.
func configure(o Options, p *place) error {
	settings := maps.Clone(ourSettings)
	settings["unix_socket_directories"] = p.dir
	if o.LogStatementAll {
		settings["log_statement"] = "all"
	}
	if o.Auth == "md5" {
		settings["password_encryption"] = "md5"
	}
	if o.TLS != nil {
		settings["ssl"] = "on"
		for name, pem := range map[string][]byte{"cert": o.TLS.Cert, "key": o.TLS.Key, "ca": o.TLS.CA} {
			if pem == nil {
				continue
			}
			path, err := p.writeOwned("tls-"+name, pem)
			if err != nil {
				return err
			}
			settings["ssl_"+name+"_file"] = path
		}
	}
	maps.Copy(settings, o.Settings)
	var conf strings.Builder
	conf.WriteByte('\n')
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&conf, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	f, err := os.OpenFile(filepath.Join(p.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	_, err = f.WriteString(conf.String())
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if o.HBA == "" {
		return nil
	}
	_, err = p.writeOwned(filepath.Join("data", "pg_hba.conf"), []byte(o.HBA))
	return err
}

// process is one run of the server.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once it has ended
}

// launch starts the server and waits until it takes connections.
func launch(ctx context.Context, p *place, bin string, port int) (*process, error) {
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	defer func() { _ = log.Close() }()
	start, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	// Not CommandContext: ctx bounds the start, not the server's life.
	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", p.data(), "-p", fmt.Sprint(port))
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", environment(), sysProcAttr(p.user, true)
	cmd.Stdout, cmd.Stderr = log, log

	proc := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the parent-death signal when the *thread* that forked
		// ends, so that thread waits here.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is of no interest: we or the log know
			close(proc.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("postgres: starting %s: %w", cmd.Path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	if err := proc.ready(ctx, p, port); err != nil {
		err = errors.Join(err, proc.end())
		text, _ := os.ReadFile(p.log())
		if int64(len(text)) >= start {
			text = text[start:]
		}
		if bytes.Contains(text, []byte("could not create any TCP/IP sockets")) {
			return nil, errPortTaken
		}
		return nil, fmt.Errorf("postgres: %w; its log says: %s", err, tail(text))
	}
	return proc, nil
}

// ready waits for the word "ready" on the eighth line of postmaster.pid, as
// pg_ctl does (wait_for_postmaster_start).
func (p *process) ready(ctx context.Context, pl *place, port int) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		select {
		case <-p.exited:
			return errors.New("the server ended while starting")
		case <-ctx.Done():
			return fmt.Errorf("the server does not get ready: %w", ctx.Err())
		case <-tick.C:
		}
		text, err := os.ReadFile(filepath.Join(pl.data(), "postmaster.pid"))
		if err != nil {
			continue // not written yet
		}
		lines := strings.Split(string(text), "\n")
		if len(lines) >= 8 && lines[0] == fmt.Sprint(p.cmd.Process.Pid) &&
			lines[3] == fmt.Sprint(port) && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
	}
}

// end shuts the server down without a last checkpoint and waits for it.
func (p *process) end() error {
	for _, sig := range endSignals {
		select {
		case <-p.exited:
			return nil
		default:
		}
		if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("postgres: ending the server: %w", err)
		}
		select {
		case <-p.exited:
			return nil
		case <-time.After(endLimit):
		}
	}
	return errors.New("postgres: the server does not end")
}

func tail(text []byte) string {
	text = bytes.TrimSpace(text)
	if len(text) > logTail {
		text = text[len(text)-logTail:]
	}
	return string(text)
}
