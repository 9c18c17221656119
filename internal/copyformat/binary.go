package copyformat

import (
	"encoding/binary"
	"fmt"
)

// The binary format begins with a signature, flags, and the length of a header
// extension, and ends with a count of fields of -1 (CopyTo in copyto.c,
// ReceiveCopyBinaryHeader). Nobody writes flags or an extension; both are
// dropped, but for the flags that Postgres refuses.
const (
	binarySignature   = "PGCOPY\n\xff\r\n\x00"
	binaryHeader      = binarySignature + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	binaryHeaderSize  = len(binaryHeader)
	binaryTrailer     = "\xff\xff"
	binaryFlagOIDs    = 1 << 16
	binaryNull        = -1
	binaryTrailerMark = -1
)

// BinaryReader takes COPY data in the binary format apart into rows. It is used
// as a Reader is.
//
// What the rows do not have is in Row.Raw, for AppendBinary to write: the first
// row's is the header, and the trailer comes as a last row of its own, with
// Row.Header set. (Postgres sends the header in one message with the first row.)
type BinaryReader struct {
	columns int
	limit   int

	data  chunks
	ended bool

	state  binaryState
	skip   int    // bytes left of the header's extension
	pos    int    // the next byte of the row to look at, from its first
	counts bool   // the row's count of fields was read
	sizes  []int  // of the row's fields that were found so far, -1 for NULL
	raw    []byte // what is to be written before the next row
	rows   int
	err    error // sticky

	fields []Field
}

type binaryState uint8

const (
	inBinaryHeader binaryState = iota
	inBinaryExtension
	inBinaryRows
	afterBinaryTrailer
	afterBinaryEnd // End was called, and all was given
)

// NewBinaryReader makes a BinaryReader of rows with so many fields. A row longer
// than limit bytes is an error; zero means no limit.
func NewBinaryReader(columns, limit int) *BinaryReader {
	return &BinaryReader{columns: columns, limit: limit}
}

// Feed adds a chunk. The chunk must stay as it is until Next has no more.
func (r *BinaryReader) Feed(chunk []byte) {
	switch r.state {
	case inBinaryExtension: // of any length: it is not held
		n := min(r.skip, len(chunk))
		chunk = chunk[n:]
		r.skip -= n
	case afterBinaryTrailer:
		r.afterTrailer(len(chunk))
		return
	}
	if r.err == nil {
		r.data.feed(chunk)
	}
}

// End tells that no more data comes.
func (r *BinaryReader) End() { r.ended = true }

// Line is the number, from 1, of the row that Next gave last or fails at; the
// trailer counts. It is 0 for the header.
func (r *BinaryReader) Line() int { return r.rows }

// Next gives the next row; ok is false when the data so far holds no further
// whole row. An error is a *pgerr.Error in Postgres's words, and final.
func (r *BinaryReader) Next() (row Row, ok bool, err error) {
	if r.err == nil && r.state == inBinaryHeader {
		r.err = r.readHeader()
	}
	if r.err == nil && r.state == inBinaryExtension {
		r.err = r.skipExtension()
	}
	if r.err != nil || r.state != inBinaryRows {
		r.data.keep()
		return Row{}, false, r.err
	}
	whole, err := r.findRow()
	if err != nil {
		r.err = err
		return Row{}, false, err
	}
	if !whole {
		return r.atEnd()
	}
	if r.state == afterBinaryTrailer {
		rest := len(r.data.rest()) - len(binaryTrailer)
		r.data.drop()
		r.afterTrailer(rest)
		if r.err != nil {
			return Row{}, false, r.err
		}
		return Row{Header: true, Raw: append(r.raw, binaryTrailer...)}, true, nil
	}
	row = Row{Fields: r.takeRow(), Raw: r.raw}
	r.raw = nil
	return row, true, nil
}

// atEnd is for data that ends without a trailer, as it may; what is left of a
// count of fields is dropped, as Postgres does (CopyGetInt16). A header without
// rows must not get lost.
func (r *BinaryReader) atEnd() (Row, bool, error) {
	switch {
	case !r.ended:
		r.data.keep()
		return Row{}, false, nil
	case r.counts:
		r.err = badCopy("unexpected EOF in COPY data", "")
		return Row{}, false, r.err
	}
	r.state = afterBinaryEnd
	if r.raw == nil {
		return Row{}, false, nil
	}
	return Row{Header: true, Raw: r.raw}, true, nil
}

// readHeader is ReceiveCopyBinaryHeader.
func (r *BinaryReader) readHeader() error {
	flagsAt, lengthAt := len(binarySignature), len(binarySignature)+4
	data := r.data.rest()
	got := len(data)
	whole := func(n int) bool { return got >= n }
	switch {
	case whole(flagsAt) && string(data[:flagsAt]) != binarySignature, !whole(flagsAt) && r.ended:
		return badCopy("COPY file signature not recognized", "")
	case !whole(lengthAt):
		if r.ended {
			return badCopy("invalid COPY file header (missing flags)", "")
		}
		return nil
	}
	flags := binary.BigEndian.Uint32(data[flagsAt:])
	switch {
	case flags&binaryFlagOIDs != 0:
		return badCopy("invalid COPY file header (WITH OIDS)", "")
	case flags>>16 != 0:
		return badCopy("unrecognized critical flags in COPY file header", "")
	case !whole(binaryHeaderSize):
		if r.ended {
			return badCopy("invalid COPY file header (missing length)", "")
		}
		return nil
	}
	length := int32(binary.BigEndian.Uint32(data[lengthAt:]))
	if length < 0 {
		return badCopy("invalid COPY file header (missing length)", "")
	}
	r.data.take(binaryHeaderSize)
	r.skip, r.state = int(length), inBinaryExtension
	r.raw = []byte(binaryHeader)
	return nil
}

func (r *BinaryReader) skipExtension() error {
	n := min(r.skip, len(r.data.rest()))
	r.data.take(n)
	r.skip -= n
	switch {
	case r.skip == 0:
		r.state = inBinaryRows
		r.beginRow()
	case r.ended:
		return badCopy("invalid COPY file header (wrong length)", "")
	}
	return nil
}

func (r *BinaryReader) beginRow() { r.pos, r.counts, r.sizes = 0, false, r.sizes[:0] }

// findRow looks for the end of the row in hand, and goes on where it stopped when
// more data comes (NextCopyFrom, CopyReadBinaryAttribute).
func (r *BinaryReader) findRow() (whole bool, err error) {
	rest := r.data.rest()[r.pos:]
	if !r.counts {
		if len(rest) < 2 {
			return false, nil
		}
		r.rows++
		r.counts = true
		r.pos = 2
		count := int(int16(binary.BigEndian.Uint16(rest)))
		rest = rest[2:]
		if count == binaryTrailerMark {
			r.state = afterBinaryTrailer
			return true, nil
		}
		if count != r.columns {
			return false, badCopy(fmt.Sprintf("row field count is %d, expected %d", count, r.columns), "")
		}
	}
	for len(r.sizes) < r.columns {
		if len(rest) < 4 {
			return false, nil
		}
		size := int(int32(binary.BigEndian.Uint32(rest)))
		if size < binaryNull {
			return false, badCopy("invalid field size", "")
		}
		data := max(size, 0)
		if r.limit > 0 && r.pos+4+data > r.limit {
			return false, tooLong("row", r.limit)
		}
		if len(rest)-4 < data {
			return false, nil
		}
		r.sizes = append(r.sizes, size)
		r.pos += 4 + data
		rest = rest[4+data:]
	}
	return true, nil
}

// takeRow gives the fields that findRow found, and begins the next row.
func (r *BinaryReader) takeRow() []Field {
	r.fields = r.fields[:0]
	rest := r.data.rest()[2:]
	for _, size := range r.sizes {
		data := max(size, 0)
		f := Field{Data: rest[4 : 4+data : 4+data], Null: size == binaryNull}
		if f.Null {
			f.Data = nil
		}
		r.fields = append(r.fields, f)
		rest = rest[4+data:]
	}
	r.data.take(r.pos)
	r.beginRow()
	return r.fields
}

// afterTrailer refuses data behind the trailer, as Postgres does.
func (r *BinaryReader) afterTrailer(n int) {
	if n > 0 && r.err == nil {
		r.err = badCopy("received copy data after EOF marker", "")
	}
}

// AppendBinary appends a row in the binary format (CopyOneRowTo), behind what
// row.Raw has.
func AppendBinary(dst []byte, row Row) []byte {
	dst = append(dst, row.Raw...)
	if row.Header {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(row.Fields)))
	for i := range row.Fields {
		if row.Fields[i].Null {
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(row.Fields[i].Data)))
		dst = append(dst, row.Fields[i].Data...)
	}
	return dst
}
