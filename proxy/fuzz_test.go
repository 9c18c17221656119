package proxy

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/iotest"
)

// FuzzFrames reads messages out of any bytes, however they arrive: no panic, and
// the same messages in one piece as byte by byte.
func FuzzFrames(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		read := func(r *frameReader) (frames [][]byte) {
			for {
				_, size, ok, err := r.peek()
				if err != nil || size > 1<<20 {
					return frames
				}
				if ok && r.buffered() >= size {
					frames = append(frames, bytes.Clone(r.take(size)))
					continue
				}
				if r.fill(max(size, headerSize)) != nil {
					return frames
				}
			}
		}
		whole := read(newFrameReader(bytes.NewReader(data)))
		pieces := read(newFrameReader(iotest.OneByteReader(bytes.NewReader(data))))
		if !bytes.Equal(bytes.Join(whole, nil), bytes.Join(pieces, nil)) || len(whole) != len(pieces) {
			t.Errorf("%d messages in one piece, %d byte by byte", len(whole), len(pieces))
		}
	})
}

// FuzzBind takes any bytes apart as a Bind: no panic, and what is put together
// again is what came.
func FuzzBind(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		var m bindMessage
		rest, ok := m.parseNames(data)
		if !ok {
			return
		}
		if m.parseValues(rest); m.fault != bindWhole {
			return
		}
		again := append(append(bytes.Clone(m.portal), 0), m.statement...)
		again = append(again, 0)
		again = binary.BigEndian.AppendUint16(again, uint16(len(m.paramFormats)/2))
		again = append(again, m.paramFormats...)
		again = binary.BigEndian.AppendUint16(again, uint16(len(m.values)))
		for _, v := range m.values {
			again = appendValue(again, v)
		}
		again = binary.BigEndian.AppendUint16(again, uint16(len(m.resultFormats)/2))
		again = append(again, m.resultFormats...)
		if !bytes.Equal(again, data) {
			t.Errorf("%x comes back as %x", data, again)
		}
	})
}

// FuzzServerBodies takes any bytes apart as bodies of the server's messages.
func FuzzServerBodies(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		errorField(data, 'C')
		if _, err := appendMapped(nil, 'E', data, &positionMap{text: "SELECT é", replaced: []replacedRange{{0, 6, 3}}}); err != nil {
			t.Errorf("map positions: %v", err)
		}
		if offsets, ok := fieldOffsets(data, nil); ok && len(offsets) != int(binary.BigEndian.Uint16(data)) {
			t.Errorf("%d fields found in %x", len(offsets), data)
		}
		if row, err := decodeRow(data); err == nil && len(row) != int(binary.BigEndian.Uint16(data)) {
			t.Errorf("%d fields found in %x", len(row), data)
		}
		_, _ = appendBytea(nil, data)
	})
}
