package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// describe prints where and of what the figures are.
func describe(ctx context.Context, w io.Writer, conn *pgx.Conn) error {
	var server string
	if err := conn.QueryRow(ctx, "SHOW server_version").Scan(&server); err != nil {
		return err
	}
	commit := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	_, err := fmt.Fprintf(w, "%s, %s/%s, %d CPUs, %s, Postgres %s, commit %s\npayload of %d bytes, one client\n",
		time.Now().UTC().Format(time.DateOnly), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), server, commit, len(payload))
	return err
}

// report prints a case's figures: median and 99th percentile of one do, rows a
// second at the median, and the throughput against the first way's.
func report(w io.Writer, c benchCase, ways []*way, times [][]time.Duration) error {
	if _, err := fmt.Fprintf(w, "\n%s\n  %-24s %12s %12s %12s %10s\n", c.name, "", "median", "p99", "rows/s", "of direct"); err != nil {
		return err
	}
	first := percentile(times[0], 50)
	for i, way := range ways {
		median := percentile(times[i], 50)
		_, err := fmt.Fprintf(w, "  %-24s %12s %12s %12.0f %9.2fx\n", way.name, round(median), round(percentile(times[i], 99)),
			float64(c.rows)/median.Seconds(), first.Seconds()/median.Seconds())
		if err != nil {
			return err
		}
	}
	return nil
}

// percentile is the nearest-rank percentile.
func percentile(times []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

// round leaves three digits or so.
func round(d time.Duration) time.Duration {
	switch {
	case d > 100*time.Millisecond:
		return d.Round(time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
