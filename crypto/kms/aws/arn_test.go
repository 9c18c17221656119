package aws

import (
	"strings"
	"testing"
)

func TestParseARN(t *testing.T) {
	const id = "1234abcd-12ab-34cd-56ef-1234567890ab"
	const mrk = "mrk-1234abcd12ab34cd56ef1234567890ab"
	for text, want := range map[string]ARN{
		"arn:aws:kms:eu-central-1:111122223333:key/" + id:            {"aws", "eu-central-1", "111122223333", id, ""},
		"arn:aws:kms:us-east-1:111122223333:key/" + mrk:              {"aws", "us-east-1", "111122223333", mrk, ""},
		"arn:aws:kms:ap-southeast-2:111122223333:alias/acme/pg-seal": {"aws", "ap-southeast-2", "111122223333", "", "alias/acme/pg-seal"},
		"arn:aws-cn:kms:cn-north-1:111122223333:key/" + id:           {"aws-cn", "cn-north-1", "111122223333", id, ""},
		"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/" + id:    {"aws-us-gov", "us-gov-west-1", "111122223333", id, ""},
		"arn:aws-iso-b:kms:us-isob-east-1:111122223333:key/" + id:    {"aws-iso-b", "us-isob-east-1", "111122223333", id, ""},
		"arn:aws-eusc:kms:eusc-de-east-1:111122223333:key/" + id:     {"aws-eusc", "eusc-de-east-1", "111122223333", id, ""},
	} {
		got, err := ParseARN(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if got.String() != text {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestBadARNs(t *testing.T) {
	const id = "1234abcd-12ab-34cd-56ef-1234567890ab"
	for text, want := range map[string]string{
		"": "no ARN of a KMS key is given: write arn:aws:kms:REGION:ACCOUNT:key/ID",
		" arn:aws:kms:eu-central-1:111122223333:key/" + id:      "it has a character that no ARN has",
		`"arn:aws:kms:eu-central-1:111122223333:key/` + id:      "it has a character that no ARN has",
		"arn:aws:kms:*:111122223333:key/" + id:                  "it has a character that no ARN has",
		"arn:aws:kms:eu-central-1:111122223333:key/" + id + "ä": "it has a character that no ARN has",
		id:                                     "Region and account are missing",
		"mrk-1234abcd12ab34cd56ef1234567890ab": "Region and account are missing",
		"key/" + id:                            "Region and account are missing",
		"alias/acme":                           "Region and account are missing",
		"aws:kms:eu:1:key/":                    "it has to begin with arn:",
		"https://kms.eu-central-1.amazonaws.com/": "it has to begin with arn:",
		"arn:aws:kms": "it has 3 parts between colons instead of 6",
		"arn:aws:kms:eu-central-1:111122223333:key:" + id:                  "it has 7 parts between colons instead of 6",
		"arn:aws:kms:111122223333:key/" + id:                               "it has 5 parts between colons instead of 6",
		"arn:AWS:kms:eu-central-1:111122223333:key/" + id:                  `the second part, "AWS", is no partition of AWS`,
		"arn:azure:kms:eu-central-1:111122223333:key/" + id:                `the second part, "azure", is no partition of AWS`,
		"arn:aws-cn:kms:eu-central-1:111122223333:key/" + id:               "the Region eu-central-1 is in partition aws, not in aws-cn",
		"arn:aws:kms:us-gov-west-1:111122223333:key/" + id:                 "the Region us-gov-west-1 is in partition aws-us-gov, not in aws",
		"arn:aws:s3:eu-central-1:111122223333:key/" + id:                   `the third part is "s3", so it names something else`,
		"arn:aws:iam::111122223333:role/pgseal":                            `the third part is "iam", so it names something else`,
		"arn:aws:kms::111122223333:key/" + id:                              "the Region, its fourth part, is missing",
		"arn:aws:kms:eu-central1:111122223333:key/" + id:                   `the fourth part, "eu-central1", is no Region`,
		"arn:aws:kms:eu-central-1a:111122223333:key/" + id:                 `the fourth part, "eu-central-1a", is no Region`,
		"arn:aws:kms:eu-central-1::key/" + id:                              `the fifth part, "", is no account: that has 12 digits`,
		"arn:aws:kms:eu-central-1:11112222333:key/" + id:                   `the fifth part, "11112222333", is no account`,
		"arn:aws:kms:eu-central-1:111122223333:" + id:                      "has to be key/ID or alias/NAME",
		"arn:aws:kms:eu-central-1:111122223333:grant/" + id:                "has to be key/ID or alias/NAME",
		"arn:aws:kms:eu-central-1:111122223333:key/":                       `"" is no key id`,
		"arn:aws:kms:eu-central-1:111122223333:key/" + id[1:]:              "is no key id",
		"arn:aws:kms:eu-central-1:111122223333:key/" + strings.ToUpper(id): "is no key id",
		"arn:aws:kms:eu-central-1:111122223333:key/mrk-" + id:              "is no key id",
		"arn:aws:kms:eu-central-1:111122223333:key/alias/acme":             "is no key id",
		"arn:aws:kms:eu-central-1:111122223333:alias/":                     "an alias has letters, digits",
		"arn:aws:kms:eu-central-1:111122223333:alias/a.b":                  "an alias has letters, digits",
		"arn:aws:kms:eu-central-1:111122223333:alias/aws/ebs":              "a key of AWS's own",
	} {
		if _, err := ParseARN(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzParseARN: what is taken is given back as it was.
func FuzzParseARN(f *testing.F) {
	f.Add("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")
	f.Add("arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab")
	f.Add("arn:aws-cn:kms:cn-north-1:111122223333:alias/acme")
	f.Add("arn:aws:kms:::")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseARN(text)
		if err == nil && a.String() != text {
			t.Errorf("%q becomes %q", text, a)
		}
		if err != nil && a != (ARN{}) {
			t.Errorf("%q: %v, and %+v", text, err, a)
		}
	})
}
