package pgtypes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// arrayBinary reads an array in binary (array_recv).
type arrayBinary struct {
	rest  []byte
	oid   uint32 // that its elements must have
	count int
	lower int32
}

func (r *arrayBinary) word() (int32, error) {
	if len(r.rest) < 4 {
		return 0, cutShort()
	}
	n := int32(binary.BigEndian.Uint32(r.rest))
	r.rest = r.rest[4:]
	return n, nil
}

// firstChosenOID is FirstGenbkiObjectId: below, OIDs are the same everywhere.
const firstChosenOID = 10000

func (r *arrayBinary) header() error {
	var head [3]int32
	for i := range head {
		var err error
		if head[i], err = r.word(); err != nil {
			return err
		}
		switch {
		case i == 0 && head[0] < 0:
			return &pgerr.Error{Code: pgerr.InvalidBinaryRepresent, Message: fmt.Sprintf("invalid number of dimensions: %d", head[0])}
		case i == 0 && head[0] > maxDimensions:
			return &pgerr.Error{
				Code:    pgerr.ProgramLimitExceeded,
				Message: fmt.Sprintf("number of array dimensions (%d) exceeds the maximum allowed (%d)", head[0], maxDimensions),
			}
		case i == 1 && head[1] != 0 && head[1] != 1:
			return &pgerr.Error{Code: pgerr.InvalidBinaryRepresent, Message: "invalid array flags"}
		}
	}
	if oid := uint32(head[2]); oid != r.oid && oid < firstChosenOID && r.oid < firstChosenOID {
		return &pgerr.Error{
			Code: codeDatatypeMismatch,
			Message: fmt.Sprintf("binary data has array element type %d (%s) instead of expected %d (%s)",
				oid, elementName(oid), r.oid, typeName(r.oid)),
		}
	}
	return r.bounds(int(head[0]))
}

// elementName is format_type_extended of what a client calls an element's type. Of
// types that no column can have only the common names are known.
func elementName(oid uint32) string {
	switch name := typeNames[oid]; {
	case oid == 0:
		return "-"
	case name == "":
		return "???"
	default:
		return name
	}
}

// bounds reads each dimension's length and lower bound.
func (r *arrayBinary) bounds(dimensions int) error {
	if dimensions == 0 {
		return nil
	}
	var lengths, lowers [maxDimensions]int32
	for i := range dimensions {
		for _, n := range []*int32{&lengths[i], &lowers[i]} {
			var err error
			if *n, err = r.word(); err != nil {
				return err
			}
		}
	}
	total := int64(1)
	for i, n := range lengths[:dimensions] { // ArrayGetNItems
		if total *= int64(n); n < 0 || total > maxElements && !slices.Contains(lengths[:i], 0) {
			return tooManyElements()
		}
	}
	for i, n := range lengths[:dimensions] { // ArrayCheckBounds
		if int64(lowers[i])+int64(n) > 1<<31-1 {
			return boundTooLarge("lower", lowers[i])
		}
	}
	if total > 0 && dimensions > 1 {
		return manyDimensions()
	}
	r.count, r.lower = int(total), lowers[0]
	return nil
}

func tooManyElements() error {
	return &pgerr.Error{Code: pgerr.ProgramLimitExceeded, Message: fmt.Sprintf("array size exceeds the maximum allowed (%d)", maxElements)}
}

func boundTooLarge(which string, bound int32) error {
	return &pgerr.Error{Code: pgerr.ProgramLimitExceeded, Message: fmt.Sprintf("array %s bound is too large: %d", which, bound), Echoes: true}
}

// elements calls add for each (ReadArrayBinary).
func (r *arrayBinary) elements(add elementFunc) error {
	for i := range r.count {
		n, err := r.word()
		if err != nil {
			return err
		}
		if n < -1 || int(n) > len(r.rest) {
			return &pgerr.Error{Code: pgerr.InvalidBinaryRepresent, Message: "insufficient data left in message"}
		}
		if n == -1 {
			if err := add(nil, true); err != nil {
				return err
			}
			continue
		}
		element := r.rest[:n]
		r.rest = r.rest[n:]
		if err := add(element, false); err != nil {
			var e *pgerr.Error
			if errors.As(err, &e) && e.Message == BytesLeftOver {
				return &pgerr.Error{Code: e.Code, Message: fmt.Sprintf("improper binary format in array element %d", i+1)}
			}
			return err
		}
	}
	if len(r.rest) > 0 {
		return badBinary()
	}
	return nil
}
