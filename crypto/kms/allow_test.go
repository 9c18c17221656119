package kms

import (
	"regexp"
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	const arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	const alias = "arn:aws:kms:eu-central-1:111122223333:alias/acme/prod"
	tests := []struct {
		pattern, arn string
		want         bool
	}{
		{arn, arn, true},
		{arn, arn + "0", false},
		{arn + "0", arn, false},
		{"arn:aws:kms:*:111122223333:key/*", arn, true},
		{"arn:aws:kms:*:111122223333:key/*", alias, false},
		{"arn:aws:kms:*:111122223333:alias/*", alias, true},
		{"arn:aws:kms:*:111122223333:*", alias, true},
		{"arn:aws:kms:*:111122223333:*", arn, true},
		{"arn:aws:kms:*:444455556666:*", arn, false},
		{"arn:aws:kms:eu-*:111122223333:key/*", arn, true},
		{"arn:aws:kms:us-*:111122223333:key/*", arn, false},
		{"arn:*:kms:*:*:*", arn, true},
		{"arn:aws:kms:*:*:key/*-*-*-*-*ab", arn, true},
		{"arn:aws:kms:*:*:key/*-*-*-*-*ac", arn, false},
		{"arn:aws:kms:*:*:key/*", strings.ToUpper(arn), false},
		// No star reaches into the next part: an account number in the key's name
		// is not the account.
		{"arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-central-1:444455556666:key/x:111122223333:key/y", false},
		{"arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-central-1:444455556666:111122223333:key/y", false},
		{"arn:aws:kms:*:111122223333:key/*", "", false},
		{"local:*", "local:acme", true},
		{"local:*", "local:", true},
		{"local:*", "locale:acme", false},
		{"local:acme-*", "local:acme-prod", true},
		{"local:acme-*", "local:acme", false},
		{"local:a*a", "local:a", false}, // not the same a
		{"local:**", "local:acme", true},
		{"gcpkms://projects/acme/*", "gcpkms://projects/acme/locations/eu/keyRings/r/cryptoKeys/k", true},
	}
	for _, test := range tests {
		if err := checkPattern(test.pattern); err != nil {
			t.Errorf("%s: %v", test.pattern, err)
		}
		if got := matches(test.pattern, test.arn); got != test.want {
			t.Errorf("%s of %s: %v", test.pattern, test.arn, got)
		}
	}
}

func TestBadPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                               "an empty pattern",
		"*":                              "it has to begin with",
		"*:*":                            "it has to begin with",
		"acme":                           "it has to begin with",
		"arn:aws:kms:*":                  "six parts",
		"arn:aws:kms:*:*:key/*:*":        "six parts",
		"arn:aws:kms:*:1111 2222 3333:*": "no spaces",
		"local:acme?":                    "* alone is special",
		"local:[a-z]*":                   "* alone is special",
		"local:acme\n":                   "no spaces",
	} {
		if _, err := Allow(nil, []string{"local:*", pattern}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", pattern, err, want)
		}
	}
	const alias = "arn:aws:kms:eu-central-1:111122223333:alias/acme"
	if _, err := Allow(nil, []string{"local:*"}, alias); err == nil || !strings.Contains(err.Error(), "an alias may stand for any key") {
		t.Errorf("an alias as the default key: %v", err)
	}
	if _, err := Allow(nil, []string{"arn:aws:kms:*:111122223333:*"}, alias); err != nil {
		t.Error(err)
	}
}

// FuzzAllow holds the matching to a regular expression.
func FuzzAllow(f *testing.F) {
	for _, seed := range [][2]string{
		{"arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-central-1:111122223333:key/mrk-1"},
		{"local:*a*b*", "local:aabb"},
		{"local:a**", "local:a"},
		{"x:*:y*:y", "x:z:yy:y"},
		{"x:*ab:*ab", "x:aab:bab"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, arn string) {
		if checkPattern(pattern) != nil {
			return
		}
		quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^:]*`)
		re, err := regexp.Compile(`\A(?s:` + quoted + `)\z`)
		if err != nil {
			return // not UTF-8
		}
		if got, want := matches(pattern, arn), re.MatchString(arn); got != want {
			t.Errorf("%q of %q: %v, want %v", pattern, arn, got, want)
		}
	})
}
