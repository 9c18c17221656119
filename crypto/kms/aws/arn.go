package aws

import (
	"fmt"
	"regexp"
	"strings"
)

// ARN names a key of AWS KMS, or an alias of one, taken apart
// (https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id).
type ARN struct {
	Partition string // aws, aws-cn, aws-us-gov …
	Region    string
	Account   string // 12 digits
	KeyID     string // empty for an alias
	Alias     string // alias/NAME; empty for a key
}

// arnForm is what messages show.
const arnForm = "arn:aws:kms:REGION:ACCOUNT:key/ID"

var (
	partition = regexp.MustCompile(`^aws(-[a-z]+)*$`)
	region    = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-[0-9]+$`)
	account   = regexp.MustCompile(`^[0-9]{12}$`)
	keyID     = regexp.MustCompile(`^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)
	alias     = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`) // API_CreateAlias: AliasName
)

// partitions are those whose Regions can be told by their names
// (https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html).
// Any other Region is of partition aws.
var partitions = []struct{ regions, partition string }{
	{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"us-iso-", "aws-iso"}, {"us-isob-", "aws-iso-b"},
	{"eu-isoe-", "aws-iso-e"}, {"us-isof-", "aws-iso-f"}, {"eusc-", "aws-eusc"},
}

// ParseARN takes the ARN of a customer managed key or of an alias apart. It asks
// nobody whether there is such a key. An error says what is wrong, and what the
// ARN should look like.
func ParseARN(text string) (ARN, error) {
	wrong := func(format string, args ...any) (ARN, error) {
		return ARN{}, fmt.Errorf("%q is not the ARN of a KMS key: %s", text, fmt.Sprintf(format, args...))
	}
	switch {
	case text == "":
		return ARN{}, fmt.Errorf("no ARN of a KMS key is given: write %s", arnForm)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\'' || r == '*' }):
		return wrong("it has a character that no ARN has, such as a space, a quotation mark or a star")
	case keyID.MatchString(text), strings.HasPrefix(text, "key/"), strings.HasPrefix(text, "alias/"):
		return wrong("Region and account are missing: write %s, with alias/NAME in place of key/ID for an alias", arnForm)
	case !strings.HasPrefix(text, "arn:"):
		return wrong("it has to begin with arn: and look like %s", arnForm)
	}
	parts := strings.Split(text, ":")
	if len(parts) != 6 {
		return wrong("it has %d parts between colons instead of 6: it looks like %s", len(parts), arnForm)
	}
	a := ARN{Partition: parts[1], Region: parts[3], Account: parts[4]}
	switch service := parts[2]; {
	case !partition.MatchString(a.Partition):
		return wrong("the second part, %q, is no partition of AWS, such as aws, aws-cn or aws-us-gov", a.Partition)
	case service != "kms":
		return wrong("the third part is %q, so it names something else: it has to be kms", service)
	case a.Region == "":
		return wrong("the Region, its fourth part, is missing: it looks like %s", arnForm)
	case !region.MatchString(a.Region):
		return wrong("the fourth part, %q, is no Region, such as eu-central-1", a.Region)
	case a.Partition != partitionOf(a.Region):
		return wrong("the Region %s is in partition %s, not in %s", a.Region, partitionOf(a.Region), a.Partition)
	case !account.MatchString(a.Account):
		return wrong("the fifth part, %q, is no account: that has 12 digits", a.Account)
	}
	switch resource := parts[5]; {
	case strings.HasPrefix(resource, "alias/aws/"):
		return wrong("%s is a key of AWS's own, which is for its services: pgseal needs a customer managed key", resource)
	case alias.MatchString(resource):
		a.Alias = resource
	case strings.HasPrefix(resource, "alias/"):
		return wrong("an alias has letters, digits, /, _ and - alone")
	case !strings.HasPrefix(resource, "key/"):
		return wrong("the last part, %q, has to be key/ID or alias/NAME", resource)
	default:
		a.KeyID = resource[len("key/"):]
		if !keyID.MatchString(a.KeyID) {
			return wrong("%q is no key id: that is like 1234abcd-12ab-34cd-56ef-1234567890ab, in small letters, or mrk- and 32 such characters", a.KeyID)
		}
	}
	return a, nil
}

func partitionOf(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regions) {
			return p.partition
		}
	}
	return "aws"
}

// String is the ARN put together again.
func (a ARN) String() string {
	resource := a.Alias
	if resource == "" {
		resource = "key/" + a.KeyID
	}
	return strings.Join([]string{"arn", a.Partition, "kms", a.Region, a.Account, resource}, ":")
}
