package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// program is a proxy that runs as a process of its own, so that its CPU time and
// memory are its own.
type program struct {
	name    string
	version string
	cmd     *exec.Cmd
	log     *os.File
	exited  chan error
}

// start starts a program. What it prints goes to a file of the folder.
func start(folder, name string, cmd *exec.Cmd) (*program, error) {
	log, err := os.Create(filepath.Join(folder, name+".log"))
	if err != nil {
		return nil, err
	}
	p := &program{name: name, cmd: cmd, log: log, exited: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), log.Close())
	}
	go func() { p.exited <- cmd.Wait() }()
	return p, nil
}

// stop ends the program.
func (p *program) stop() error {
	_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	return p.log.Close()
}

// ready waits until the program lets a client in.
func (p *program) ready(ctx context.Context, dsn string) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		conn, err := pgx.Connect(ctx, dsn)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ended := <-p.exited:
			p.exited <- ended
			return fmt.Errorf("%s has ended: %v\n%s", p.name, ended, p.said())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not answer: %w\n%s", p.name, err, p.said())
		}
	}
}

func (p *program) said() string {
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// startBouncer starts PgBouncer in session mode, as many connections as there are
// clients. It is nil when there is none on this machine.
func startBouncer(ctx context.Context, folder, direct string, tls certificate) (*program, string, error) {
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			return nil, "", nil
		}
	}
	to, err := url.Parse(direct)
	if err != nil {
		return nil, "", errors.New("the database's DSN is not a URL")
	}
	address, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	_, port, _ := net.SplitHostPort(address)
	ini := fmt.Sprintf(`[databases]
* = host=%s port=%s user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = session
max_client_conn = 2000
default_pool_size = 1500
client_tls_sslmode = allow
client_tls_cert_file = %s
client_tls_key_file = %s
`, to.Hostname(), to.Port(), to.User.Username(), port, tls.certFile, tls.keyFile)
	file := filepath.Join(folder, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(ini), 0o644); err != nil {
		return nil, "", err
	}
	args := []string{file}
	if os.Getuid() == 0 { // which it refuses to be
		args = []string{"-u", "nobody", file}
	}
	p, err := start(folder, "pgbouncer", exec.CommandContext(ctx, path, args...))
	if err != nil {
		return nil, "", err
	}
	said, err := exec.CommandContext(ctx, path, "--version").Output()
	if err == nil {
		p.version, _, _ = strings.Cut(string(said), "\n")
	}
	to.Host = address
	return p, to.String(), p.ready(ctx, to.String())
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address := listener.Addr().String()
	return address, listener.Close()
}
