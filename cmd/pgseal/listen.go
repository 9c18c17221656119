package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/pgseal/pgseal/internal/config"
)

// listenAll opens the listeners for clients. The caller closes them.
func listenAll(c config.Listen) ([]net.Listener, error) {
	tcp, err := net.Listen("tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("listen.address: %w", err)
	}
	if c.UnixSocket == "" {
		return []net.Listener{tcp}, nil
	}
	unix, err := listenUnix(socketPath(c.UnixSocket, tcp.Addr().(*net.TCPAddr).Port), c.UnixSocketMode)
	if err != nil {
		_ = tcp.Close() // nobody was accepted
		return nil, fmt.Errorf("listen.unix_socket: %w", err)
	}
	return []net.Listener{tcp, unix}, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // fails when it is closed already
	}
}

// addresses names listeners in a log.
func addresses(listeners []net.Listener) string {
	var names []string
	for _, l := range listeners {
		names = append(names, l.Addr().String())
	}
	return strings.Join(names, ", ")
}

// socketPath is the path of the socket: in a folder it gets the name that libpq
// looks for there (UNIXSOCK_PATH).
func socketPath(path string, port int) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, ".s.PGSQL."+strconv.Itoa(port))
	}
	return path
}

// listenUnix listens on a Unix socket, which is removed when the listener is
// closed. A socket that a dead process has left is replaced.
func listenUnix(path, mode string) (net.Listener, error) {
	bits, err := config.ParseFileMode(mode)
	if err != nil {
		return nil, err
	}
	if most := len(syscall.RawSockaddrUnix{}.Path) - 1; len(path) > most {
		return nil, fmt.Errorf("%s is longer than the %d bytes that the path of a socket can have", path, most)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, bits); err != nil {
		_ = listener.Close() // nobody was accepted
		return nil, err
	}
	return listener, nil
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there already, and no socket", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close() // nothing was said
		return fmt.Errorf("%s is in use: another process listens there", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}
