package kms

import (
	"fmt"
	"slices"
	"strings"
)

// The Regions of a multi-Region key of AWS KMS, by their ARNs.

// SameKey tells whether two ARNs are of one key: equal, or two Regions of one
// multi-Region key, which have the same id, recognised by its prefix mrk-
// (https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html).
func SameKey(a, b string) bool {
	if a == b {
		return true
	}
	keyA, keyB := multiRegionKey(a), multiRegionKey(b)
	return keyA != "" && keyA == keyB
}

// CheckReplicas tells what is wrong with a key's Replicas: each has to be
// another Region of the multi-Region key that ARN names.
func (k Key) CheckReplicas() error {
	if len(k.Replicas) > 0 && multiRegionKey(k.ARN) == "" {
		return fmt.Errorf("key %s: only a multi-Region key has replicas: name it by its key ARN, which ends in key/mrk-…, and not by an alias", k.ARN)
	}
	for i, arn := range k.Replicas {
		if !SameKey(k.ARN, arn) {
			return fmt.Errorf("replica %s: not another Region of the multi-Region key %s: account and key id have to be the same", arn, k.ARN)
		}
		if arn == k.ARN || slices.Contains(k.Replicas[:i], arn) {
			return fmt.Errorf("replica %s: named twice", arn)
		}
	}
	return nil
}

// regions are the ARNs that the key can be asked by, in order. ARN is the first.
func (k Key) regions() []string {
	arns := append(make([]string, 0, 1+len(k.Replicas)), k.ARN)
	for _, arn := range k.Replicas {
		if SameKey(k.ARN, arn) && !slices.Contains(arns, arn) {
			arns = append(arns, arn)
		}
	}
	return arns
}

// multiRegionKey is what the ARNs of a multi-Region key have in common, or ""
// for another key or an alias.
func multiRegionKey(arn string) string {
	p := strings.Split(arn, ":")
	if len(p) != 6 || p[0] != "arn" || p[2] != "kms" || p[3] == "" || p[4] == "" || !strings.HasPrefix(p[5], "key/mrk-") {
		return ""
	}
	return p[1] + ":" + p[4] + ":" + p[5]
}

// region is the part of an ARN that names the service in its Region.
func region(arn string) string {
	p := strings.SplitN(arn, ":", 5)
	if len(p) != 5 {
		return arn
	}
	return strings.Join(p[:4], ":")
}

// inRegionOf gives the one of the ARNs that is of the Region of arn, or "".
func inRegionOf(arns []string, arn string) string {
	i := slices.IndexFunc(arns, func(a string) bool { return region(a) == region(arn) })
	if i < 0 {
		return ""
	}
	return arns[i]
}
