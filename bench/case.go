package main

import (
	"fmt"
	"strconv"
)

// Protocol is how a client sends its statements.
type Protocol string

const (
	Simple   Protocol = "simple"   // one text with literals, each different
	Extended Protocol = "extended" // Parse, Bind, Execute each time
	Prepared Protocol = "prepared" // parsed once
)

// Case is something to measure. Its name has all that it is.
type Case struct {
	Op       string   // of ops
	Type     string   // of the payload: text, jsonb, bytea
	Size     int      // of a payload in bytes
	Protocol Protocol // ignored by COPY
	Clients  int
	TLS      bool
	// Rate is the share of PgBouncer's throughput in closed loop at which
	// requests are sent whether or not the ones before are answered (open loop).
	// 0: each client sends its next request when it has its answer (closed loop).
	Rate float64
	// Bytes is how much payload one COPY moves.
	Bytes int64
	// Quick is for cases that are run with -quick too.
	Quick bool
}

// Name names the case; it tells it from all others.
func (c Case) Name() string {
	name := fmt.Sprintf("%s, %s %s", c.Op, c.Type, size(int64(c.Size)))
	if !ops[c.Op].copies {
		name += ", " + string(c.Protocol)
	} else {
		name += ", " + size(c.Bytes)
	}
	if c.Clients > 1 {
		name += fmt.Sprintf(", %d clients", c.Clients)
	}
	if c.TLS {
		name += ", TLS"
	}
	if c.Rate > 0 {
		name += fmt.Sprintf(", open loop at %.0f%%", c.Rate*100)
	}
	return name
}

// size writes bytes for people: 100 B, 16 KiB, 1 GiB.
func size(n int64) string {
	for _, unit := range []struct {
		name string
		n    int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.n && n%unit.n == 0 {
			return strconv.FormatInt(n/unit.n, 10) + " " + unit.name
		}
	}
	return strconv.FormatInt(n, 10) + " B"
}

const (
	b100   = 100
	kib    = 1 << 10
	kib16  = 16 << 10
	mib    = 1 << 20
	mib16  = 16 << 20
	mib64  = 64 << 20
	gib    = 1 << 30
	scaled = 0.5 // the rate of open loops
)

// cases are all cases, those that are alike together.
func cases() []Case {
	var list []Case
	for _, op := range []string{"select 1", "insert 1"} {
		for _, n := range []int{b100, kib, kib16, mib} {
			list = append(list, Case{Op: op, Size: n, Quick: n == kib})
		}
		list = append(list,
			Case{Op: op, Protocol: Simple, Quick: op == "insert 1"},
			Case{Op: op, Protocol: Extended},
			Case{Op: op, Clients: 8, Quick: op == "select 1"},
			Case{Op: op, Clients: 64},
			Case{Op: op, Type: "jsonb"},
			Case{Op: op, Type: "bytea"},
			Case{Op: op, TLS: true},
			Case{Op: op, Clients: 8, Rate: scaled},
		)
	}
	list = append(list,
		Case{Op: "insert 100"}, Case{Op: "insert 100", Size: kib16}, Case{Op: "insert 100", Protocol: Simple},
		Case{Op: "batch of 50", Size: b100}, Case{Op: "batch of 50", Quick: true}, Case{Op: "batch of 50", Size: kib16},
		Case{Op: "select 100"}, Case{Op: "select 100", Size: kib16},
		Case{Op: "select 10,000", Size: b100}, Case{Op: "select 10,000", Quick: true}, Case{Op: "select 10,000", Size: kib16},
		Case{Op: "copy in", Bytes: gib}, Case{Op: "copy in", Bytes: mib64}, Case{Op: "copy in", Bytes: mib16, Quick: true}, Case{Op: "copy in", Size: kib16, Bytes: mib64},
		Case{Op: "copy out", Bytes: gib}, Case{Op: "copy out", Bytes: mib64}, Case{Op: "copy out", Bytes: mib16, Quick: true}, Case{Op: "copy out", Size: kib16, Bytes: mib64},
		Case{Op: "trace store", Clients: 8, Quick: true}, Case{Op: "trace store", Clients: 8, Size: kib16},
	)
	for i := range list {
		c := &list[i]
		if c.Type == "" {
			c.Type = "text"
		}
		if c.Size == 0 {
			c.Size = kib
		}
		if c.Protocol == "" {
			c.Protocol = Prepared
		}
		if c.Clients == 0 {
			c.Clients = 1
		}
	}
	return list
}
