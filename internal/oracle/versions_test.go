package oracle_test

import (
	"fmt"
	"hash/fnv"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
)

// TestVersions plays every twentieth script on each other major version of Postgres, and
// all that TestCorpus leaves out since its version has not the syntax. A version that is neither installed nor to be fetched is skipped.
func TestVersions(t *testing.T) {
	played := pgtest.Major(t, pgtest.Server(t)) // by TestCorpus
	for _, major := range postgres.Majors() {
		if major == played {
			continue
		}
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			playCorpus(t, pgtest.Version(t, major), all(), func(c named) bool {
				if c.since > played {
					return true
				}
				hash := fnv.New32()
				fmt.Fprintf(hash, "%d %s", major, c.name)
				return hash.Sum32()%20 == 0
			})
		})
	}
}
