package proxy

import (
	"fmt"
	"strings"
	"testing"
)

func TestOptionSettings(t *testing.T) {
	for options, want := range map[string]string{
		"":                              "",
		"-c pgseal.org=acme":            "pgseal.org=acme",
		"  -c\tpgseal.org=acme\n":       "pgseal.org=acme",
		"-cpgseal.org=acme":             "pgseal.org=acme",
		"--pgseal.org=acme":             "pgseal.org=acme",
		"--PgSeal.Org=Acme":             "pgseal.org=Acme",
		"-c work-mem=1":                 "work_mem=1",
		`-c pgseal.org=a\ b\\`:          `pgseal.org=a b\`,
		`-c pgseal.org=a\`:              "pgseal.org=a",
		"-c pgseal.org=a -c x.y=b":      "pgseal.org=a, x.y=b",
		"-c pgseal.org=a -c pgseal.org": "pgseal.org=a, pgseal.org=",
		"-Oc pgseal.org=a":              "pgseal.org=a", // letters without a value may stand together
		"-S 5 -fs -c a.b=c":             "a.b=c",
		"-v 3 -c":                       "=",
		"-S -c a.b=c":                   "", // -c is the value of -S
		"pgseal.org=a - x":              "",
		"-c a.b=c=d":                    "a.b=c=d",
	} {
		var got []string
		for _, s := range optionSettings(options) {
			got = append(got, s.name+"="+s.value)
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%q: %q, want %q", options, got, want)
		}
	}
}

// FuzzOptionSettings: names are as they are compared, and a setting behind whatever word is
// found.
func FuzzOptionSettings(f *testing.F) {
	for _, s := range []string{"", "-c a=b", "--a=b", `\`, "-", "--", "-Oc", "- -c x", "-c a=b\\"} {
		f.Add(s, "acme")
	}
	f.Fuzz(func(t *testing.T, before, org string) {
		settings := optionSettings(before)
		for _, s := range settings {
			if strings.Contains(s.name, "=") || strings.ToLower(s.name) != s.name {
				t.Errorf("%q: a setting named %q", before, s.name)
			}
		}
		if strings.ContainsAny(org, "\\ \t\n\v\f\r") || org == "" {
			return
		}
		all := optionSettings("-c a=b " + org + " --pgseal.org=" + org)
		if want := fmt.Sprintf("{pgseal.org %s}", org); fmt.Sprint(all[len(all)-1]) != want && org[0] != '-' {
			t.Errorf("%q: %v", org, all)
		}
	})
}

func TestMaySet(t *testing.T) {
	only := func(names ...string) func(string) bool {
		return func(org string) bool { return strings.Contains(" "+strings.Join(names, " ")+" ", " "+org+" ") }
	}
	const uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	for _, c := range []struct {
		value string
		orgs  []string
		want  bool
	}{
		{"acme", []string{"acme"}, true}, {"globex", []string{"acme"}, false}, {"", nil, true}, {"Acme", []string{"acme"}, false},
		{" 01", []string{"1"}, true}, {" 02", []string{"1"}, false}, {"1", nil, false},
		{strings.ToUpper(uuid), []string{uuid}, true}, {uuid, []string{"acme"}, false},
	} {
		if got := maySet(only(c.orgs...), c.value); got != c.want {
			t.Errorf("%q with %q: %v", c.value, c.orgs, got)
		}
	}
}
