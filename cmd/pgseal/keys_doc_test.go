package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/keyring"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/policy"
)

const keysPage = "../../docs/keys.md"

func keysPageText(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(keysPage)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// policyOfPage is the JSON of docs/keys.md behind the mark of that name.
func policyOfPage(t *testing.T, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(keysPageText(t), "<!-- policy: "+name+" -->\n```json\n")
	text, _, closed := strings.Cut(rest, "\n```\n")
	if !ok || !closed {
		t.Fatalf("%s has no policy %s", keysPage, name)
	}
	return text
}

// TestKeysPagePolicies holds the policies of docs/keys.md to those that are printed.
func TestKeysPagePolicies(t *testing.T) {
	printed := func(parts ...any) string {
		var b bytes.Buffer
		if err := (&app{stdout: &b}).printPolicy("", parts...); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(b.String())
	}
	statements := keyPolicy("acme", pgsealRole)
	for name, want := range map[string]string{
		"key":    printed(statements[0], statements[1], statements[2]),
		"iam":    printed(iamPolicy(iamResources(kms.Key{})...)),
		"trust":  printed(trustPolicy("7f3c9a")),
		"assume": printed(assumePolicy("arn:aws:iam::444455556666:role/pgseal")),
	} {
		if got := policyOfPage(t, name); got != want {
			t.Errorf("policy %s of %s is\n%s\nprinted is\n%s", name, keysPage, got, want)
		}
	}
}

// TestKeysPageNumbers holds the times and costs of docs/keys.md to the defaults.
func TestKeysPageNumbers(t *testing.T) {
	c := config.Default()
	c.Policy = &policy.Policy{}
	r, spread := keyring.WorstCase(keyringOptions(c)), c.KMS.HealthInterval/10
	words := []string{
		fmt.Sprintf("| gap | %s |", r.Refused-spread-c.KMS.Timeout), fmt.Sprintf("| spread | %s |", spread), fmt.Sprintf("| timeout | %s |", c.KMS.Timeout),
		fmt.Sprintf("| **sum** | **%s** |", r.Refused), fmt.Sprintf("`kms.max_stale` (%s)", r.Silent), fmt.Sprintf("within %s by the defaults", r.Withdrawn),
		fmt.Sprintf("it serves for %s at most by the defaults", r.Withdrawn),
	}

	const month = 30 * 24 * time.Hour
	every := func(d time.Duration) float64 { return float64(month) / float64(d) }
	health := func(interval time.Duration) float64 { return 2 * every(interval-interval/20) }
	refresh, mint := every(c.KMS.CacheTTL-c.KMS.RefreshAhead), every(c.KMS.DataKey.MaxAge)
	words = append(words,
		fmt.Sprintf("| health checks of a key in use | %s |", grouped(health(c.KMS.HealthInterval))),
		fmt.Sprintf("| an opened data key in use | %s |", grouped(refresh)),
		fmt.Sprintf("| minting for an org that is written for | %s |", grouped(mint)))
	for _, load := range []struct{ orgs, processes float64 }{{1, 1}, {10, 3}, {100, 3}} {
		calls := func(interval time.Duration) float64 {
			return load.orgs * load.processes * (health(interval) + load.processes*refresh + mint)
		}
		const price = 0.03 / 10_000
		now := calls(c.KMS.HealthInterval)
		words = append(words, fmt.Sprintf("| %g | %g | %s | $%.2f | $%.2f |", load.orgs, load.processes, grouped(now), now*price, calls(time.Minute)*price))
		if load.orgs == 100 {
			words = append(words, fmt.Sprintf("the last line is %.0f requests a second", now/month.Seconds()))
		}
	}
	page := keysPageText(t)
	for _, w := range words {
		if !strings.Contains(page, w) {
			t.Errorf("%s does not say %q", keysPage, w)
		}
	}
	for file, want := range map[string]string{"../../docs/configuration.md": "unreadable within %s at worst", "../../README.md": "within seconds: %s at worst"} {
		other, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(want, r.Refused); !strings.Contains(string(other), want) {
			t.Errorf("%s does not say %q", file, want)
		}
	}
}

// grouped writes a number with commas between thousands.
func grouped(f float64) string {
	s := fmt.Sprintf("%.0f", math.Floor(f))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
