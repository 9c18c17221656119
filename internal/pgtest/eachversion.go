package pgtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/pgseal/pgseal/internal/postgres"
)

// byVersion are the servers that EachVersion has started; mu guards it.
var byVersion = make(map[int]*postgres.Server)

// EachVersion runs f as a subtest on a server of each major version of Postgres, which
// the test binary's tests share. A version that is neither installed nor to be fetched
// is skipped.
func EachVersion(t *testing.T, f func(t *testing.T, s *postgres.Server)) {
	t.Helper()
	for _, major := range postgres.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), startLimit)
			defer cancel()
			bin, err := postgres.BinariesOf(ctx, major)
			if err != nil {
				t.Skip(err)
			}
			s, err := version(ctx, major, bin)
			if err != nil {
				t.Fatal(err)
			}
			f(t, s)
		})
	}
}

func version(ctx context.Context, major int, binaries string) (*postgres.Server, error) {
	mu.Lock()
	defer mu.Unlock()
	if s := byVersion[major]; s != nil {
		return s, nil
	}
	s, err := postgres.Start(ctx, postgres.Options{Binaries: binaries})
	if err == nil {
		byVersion[major] = s
	}
	return s, err
}

// stopVersions stops them; the caller holds mu.
func stopVersions() (err error) {
	for _, s := range byVersion {
		err = errors.Join(err, s.Stop())
	}
	return err
}
