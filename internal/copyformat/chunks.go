package copyformat

// chunks is the data that was fed and not taken yet. A chunk is looked at where
// the caller has it; only what is left of it, the beginning of a row, is copied.
type chunks struct {
	buf      []byte // the caller's chunk, or own
	own      []byte
	borrowed bool // buf is the caller's
	start    int  // the first byte of buf that was not taken
}

// keepOwn is how much memory is kept after a row that was larger.
const keepOwn = 256 << 10

func (c *chunks) feed(chunk []byte) {
	if c.start == len(c.buf) {
		if cap(c.own) > keepOwn {
			c.own = nil
		}
		c.buf, c.start, c.borrowed = chunk, 0, true
		return
	}
	c.keep()
	c.own = append(c.buf, chunk...)
	c.buf = c.own
}

// keep moves what is left into memory of its own.
func (c *chunks) keep() {
	if !c.borrowed && c.start == 0 {
		return
	}
	c.own = append(c.own[:0], c.buf[c.start:]...)
	c.buf, c.start, c.borrowed = c.own, 0, false
}

func (c *chunks) rest() []byte { return c.buf[c.start:] }

// take takes the first n bytes. They hold until the next feed or keep.
func (c *chunks) take(n int) { c.start += n }

// drop takes all.
func (c *chunks) drop() { c.start = len(c.buf) }
