package kms

import (
	"strings"
	"testing"
)

const (
	mrkFrankfurt = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	mrkDublin    = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	mrkParis     = "arn:aws:kms:eu-west-3:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	mrkOther     = "arn:aws:kms:eu-west-1:111122223333:key/mrk-ffffffff12ab34cd56ef1234567890ab"
	mrkStranger  = "arn:aws:kms:eu-west-1:444455556666:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	mrkChina     = "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	single       = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	singleDublin = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	anAlias      = "arn:aws:kms:eu-central-1:111122223333:alias/mrk-acme"
)

func TestSameKey(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{mrkFrankfurt, mrkDublin, true},
		{single, single, true},
		{"local:acme", "local:acme", true},
		{mrkDublin, mrkOther, false},
		{mrkDublin, mrkStranger, false},
		{mrkDublin, mrkChina, false},
		{single, singleDublin, false}, // ids of single-Region keys mean nothing elsewhere
		{anAlias, mrkFrankfurt, false},
		{"local:mrk-acme", "local:mrk-globex", false},
		{"arn:aws:s3:eu-central-1:111122223333:key/mrk-1", "arn:aws:s3:eu-west-1:111122223333:key/mrk-1", false},
		{"", "x", false},
	}
	for _, test := range tests {
		if SameKey(test.a, test.b) != test.want || SameKey(test.b, test.a) != test.want {
			t.Errorf("%s, %s: %v", test.a, test.b, !test.want)
		}
	}
}

func TestWith(t *testing.T) {
	key := Key{ARN: mrkFrankfurt, Replicas: []string{mrkDublin}, RoleARN: "role", ExternalID: "id"}
	for _, arn := range []string{mrkFrankfurt, mrkDublin, mrkParis} {
		if got := key.With(arn); got.ARN != mrkFrankfurt || len(got.Replicas) != 1 || got.RoleARN != "role" || got.ExternalID != "id" {
			t.Errorf("%s: %+v", arn, got)
		}
	}
	if got := key.With(single); got.ARN != single || got.Replicas != nil || got.RoleARN != "role" || got.ExternalID != "id" {
		t.Errorf("%+v", got)
	}
}

func TestCheckReplicas(t *testing.T) {
	tests := []struct {
		key  Key
		want string
	}{
		{Key{ARN: single}, ""},
		{Key{ARN: mrkFrankfurt, Replicas: []string{mrkDublin, mrkParis}}, ""},
		{Key{ARN: mrkFrankfurt, Replicas: []string{mrkDublin, mrkDublin}}, "named twice"},
		{Key{ARN: mrkFrankfurt, Replicas: []string{mrkFrankfurt}}, "named twice"},
		{Key{ARN: mrkFrankfurt, Replicas: []string{mrkOther}}, "not another Region of the multi-Region key"},
		{Key{ARN: mrkFrankfurt, Replicas: []string{mrkStranger}}, "not another Region of the multi-Region key"},
		{Key{ARN: mrkFrankfurt, Replicas: []string{single}}, "not another Region of the multi-Region key"},
		{Key{ARN: single, Replicas: []string{singleDublin}}, "only a multi-Region key has replicas"},
		{Key{ARN: anAlias, Replicas: []string{mrkDublin}}, "not by an alias"},
		{Key{ARN: "local:acme", Replicas: []string{"local:globex"}}, "only a multi-Region key has replicas"},
	}
	for _, test := range tests {
		err := test.key.CheckReplicas()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v", test.key, err)
		}
		// What is not a replica is never asked, whatever the keystore says.
		for _, arn := range test.key.regions() {
			if !SameKey(arn, test.key.ARN) {
				t.Errorf("%+v: asks %s", test.key, arn)
			}
		}
	}
}
