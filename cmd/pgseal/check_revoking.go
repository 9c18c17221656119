package main

import (
	"github.com/pgseal/pgseal/crypto/keyring"
	"github.com/pgseal/pgseal/internal/config"
)

// tellRevocation tells how long values stay readable at most, and what the time is
// made of.
func tellRevocation(f *findings, c *config.Config) {
	r, spread := keyring.WorstCase(keyringOptions(c)), c.KMS.HealthInterval/10
	f.ok("a key that KMS refuses makes its org's values unreadable within %s at worst: %s until the next health check (kms.health_interval), %s by which the checks of many orgs are spread, %s for KMS's answer (kms.timeout)",
		r.Refused, r.Refused-spread-c.KMS.Timeout, spread, c.KMS.Timeout)
	f.ok("while KMS does not answer, data keys that are open serve for %s at most (kms.max_stale)", r.Silent)
	f.ok("pgseal keys disable and destroy reach every process within a second, and within %s where the keystore can't tell of it", r.Withdrawn)
}
