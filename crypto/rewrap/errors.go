package rewrap

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pgseal/pgseal/crypto/kms"
)

// ErrDisabled: the org's key is disabled in the keystore, so nobody uses it.
var ErrDisabled = errors.New("its key is disabled in the keystore: pgseal keys enable ends that")

// BusyError: another run works on the org.
type BusyError struct {
	Org    string
	Holder string // the name of its process; empty when it can't be told
}

// Worker names the process.
func (e *BusyError) Worker() string {
	if e.Holder == "" {
		return "another process"
	}
	return e.Holder
}

// Error names the process.
func (e *BusyError) Error() string {
	return fmt.Sprintf("rewrap: org %q: %s wraps its data keys anew already", e.Org, e.Worker())
}

// TargetError: the key that is to take over can't.
type TargetError struct {
	ARN string
	Err error
}

// Error names the key.
func (e *TargetError) Error() string {
	return fmt.Sprintf("the key %s can't take over: %v", e.ARN, e.Err)
}

// Unwrap gives the cause.
func (e *TargetError) Unwrap() error { return e.Err }

// LeftError: a run has come to its end, and data keys are not wrapped under the
// present key.
type LeftError struct {
	Damaged []uint64  // data keys that don't unwrap, or are not those that were minted
	Refused []Refusal // former keys that KMS refuses, by ARN
	Others  int       // data keys that others have added or changed meanwhile
}

// Refusal is a former key that KMS refuses.
type Refusal struct {
	ARN      string
	Reason   string // KMS's own word
	DataKeys int    // that are wrapped under it alone
}

// named is how many damaged data keys an error names; LeftError has all.
const named = 10

// Error tells how many data keys, and what to do.
func (e *LeftError) Error() string {
	var parts []string
	for _, r := range e.Refused {
		why := fmt.Sprintf("which KMS refuses (%s): its owner has to let pgseal use it", r.Reason)
		if r.Reason == kms.ReasonNotAllowed {
			why = "which kms.allow leaves out: it has to be there"
		}
		parts = append(parts, fmt.Sprintf("%s under %s alone, %s until they are wrapped anew", dataKeys(r.DataKeys, "stays", "stay"), r.ARN, why))
	}
	if n := len(e.Damaged); n > 0 {
		ids := make([]string, 0, named)
		for _, id := range e.Damaged[:min(n, named)] {
			ids = append(ids, fmt.Sprint(id))
		}
		more := ""
		if n > named {
			more = " …"
		}
		parts = append(parts, fmt.Sprintf("%s not unwrap to what was minted (%s%s): restore the rows of pgseal.data_keys from a backup",
			dataKeys(n, "does", "do"), strings.Join(ids, ", "), more))
	}
	if e.Others > 0 {
		parts = append(parts, dataKeys(e.Others, "was", "were")+" added or changed by others meanwhile: run it again")
	}
	return strings.Join(parts, "; ")
}

func dataKeys(n int, one, many string) string {
	if n == 1 {
		return "1 data key " + one
	}
	return fmt.Sprintf("%d data keys %s", n, many)
}

// left tells of what a run that came to its end has left; nil when nothing.
func (r *run) left() error {
	if r.progress.Remaining() == 0 {
		return nil
	}
	e := &LeftError{}
	byARN := map[string]*Refusal{}
	for id, err := range r.failed {
		var refused *refusedError
		if !errors.As(err, &refused) {
			e.Damaged = append(e.Damaged, id)
			continue
		}
		if byARN[refused.arn] == nil {
			byARN[refused.arn] = &Refusal{ARN: refused.arn, Reason: refused.err.Reason}
		}
		byARN[refused.arn].DataKeys++
	}
	slices.Sort(e.Damaged)
	for _, arn := range slices.Sorted(maps.Keys(byARN)) {
		e.Refused = append(e.Refused, *byARN[arn])
	}
	e.Others = max(r.progress.Remaining()-len(r.failed), 0)
	return e
}

// errNotMinted is the cause of damage that KMS does not see.
var errNotMinted = errors.New("the data key is not the one that was minted")

// damagedError: a wrap is of no use to anybody.
type damagedError struct{ err error }

func (e *damagedError) Error() string { return e.err.Error() }
func (e *damagedError) Unwrap() error { return e.err }

// refusedError: KMS refuses the key that a wrap is under.
type refusedError struct {
	arn string
	err *kms.Error
}

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }
