package upstream

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// defaultPort is that of a Unix socket's folder which comes without one.
const defaultPort = 5432

// Host is one of the configured servers.
type Host struct {
	address string // as configured
	name    string // what the server's certificate must be for; "" of a Unix socket
	folder  bool   // address is that of a Unix socket's folder, with port
	port    uint16
	role    role
}

// String is the address as it was configured.
func (h *Host) String() string { return h.address }

// CheckAddress tells whether an address has a form that New takes.
func CheckAddress(address string) error {
	_, err := parseHost(address)
	return err
}

func parseHost(address string) (*Host, error) {
	h := &Host{address: address}
	if strings.HasPrefix(address, "/") {
		folder, digits, _ := cutLast(address, ":")
		if port, err := strconv.ParseUint(digits, 10, 16); err == nil && port > 0 {
			h.address, h.folder, h.port = folder, true, uint16(port)
		}
		return h, nil
	}
	host, digits, err := net.SplitHostPort(address)
	port, bad := strconv.ParseUint(digits, 10, 16)
	if err != nil || bad != nil || port == 0 {
		return nil, fmt.Errorf("upstream: %q is neither host:port nor a path that begins with /", address)
	}
	if host == "" {
		host = "localhost"
	}
	h.name, h.port = host, uint16(port)
	return h, nil
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// dialAddress is what net.Dial takes.
func (h *Host) dialAddress() (network, address string) {
	if h.name != "" {
		return "tcp", net.JoinHostPort(h.name, strconv.Itoa(int(h.port)))
	}
	if h.folder {
		return "unix", socketIn(h.address, h.port)
	}
	if info, err := os.Stat(h.address); err == nil && info.IsDir() {
		return "unix", socketIn(h.address, defaultPort)
	}
	return "unix", h.address
}

// socketIn is where a server keeps the socket of a port (UNIXSOCK_PATH).
func socketIn(folder string, port uint16) string {
	return strings.TrimSuffix(folder, "/") + "/.s.PGSQL." + strconv.Itoa(int(port))
}
