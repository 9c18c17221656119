package crypto

import (
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// minCompressed is the shortest value that is compressed, as Postgres does with
	// rows (TOAST_TUPLE_THRESHOLD): below, a page holds no more of them for it, or
	// hardly, and a byte costs two to three times the time of one of a long value.
	minCompressed = 2 << 10

	// maxWindow is how far back zstd looks for what comes again, and so what a
	// reader must keep in mind: less than a value's length for the longest.
	maxWindow = 1 << 20

	// maxScratch is the longest buffer that is kept for the next value.
	maxScratch = 1 << 20
)

// zstdEncoder and zstdDecoder are shared by all: each has a coder of its own for each
// CPU, so that nobody waits. The tag of AES-GCM holds the bytes fast, so zstd's
// checksum is left out.
var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(maxWindow), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic("crypto: internal error: zstd: " + err.Error()) // of the options, which are constant
	}
	return e
})

var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithDecoderMaxMemory(MaxPlaintext),
		zstd.WithDecoderLowmem(true))
	if err != nil {
		panic("crypto: internal error: zstd: " + err.Error())
	}
	return d
})

// buffers are for values between zstd and AES-GCM.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func putBuffer(b *[]byte, used []byte) {
	if cap(used) <= maxScratch {
		*b = used[:0]
		buffers.Put(b)
	}
}

// compress appends a zstd frame (RFC 8878) of plaintext to dst; false when it is not
// a tenth shorter.
func compress(dst, plaintext []byte) ([]byte, bool) {
	if len(plaintext) < minCompressed {
		return dst, false
	}
	frame := zstdEncoder().EncodeAll(plaintext, dst)
	return frame, len(frame)-len(dst) <= len(plaintext)-len(plaintext)/10
}

// decompress appends what the frame holds to dst.
func decompress(dst, frame []byte) ([]byte, error) { return zstdDecoder().DecodeAll(frame, dst) }
