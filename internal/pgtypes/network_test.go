package pgtypes_test

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtypes"
)

// inetTexts are tried as inet and cidr.
var inetTexts = []string{
	"1.2.3.4", "1.2.3.4/32", "1.2.3.4/24", "1.2.3.0/24", "10.0.0.0/8", "10/8", "10", "10.1/16", "10.1.2/24", "10.1.2/25", "1.2.3.4/0", "0.0.0.0/0", "0/0", "255.255.255.255", "256.1.1.1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", "1..2.3", ".1.2.3", "01.002.3.4", "1.2.3.4/", "1.2.3.4/a", "1.2.3.4/33", "1.2.3.4/032", "1.2.3.4/8 ", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4x", "1,2,3,4", "/8", "", " ", "a", "1.2.3.4/8/8", "1.2.3.4/-1",
	"127", "128", "128.1", "191", "192", "192.1.2", "223", "224", "224.0.0.0", "224.1", "225", "239", "240", "240.1", "0x0a", "0x0A0b", "0x0a0b0", "0X0a0b0c0d", "0x0a0b0c0d0", "0x0a0b0c0d0e", "0x", "0xg", "0xa/8", "0x0a/4", "0a", "10/33", "10/7", "10/0", "300",
	"::", "::1", "1::", "::/0", "::/128", "::1/128", "::1/64", "2001:db8::/32", "2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::8", "1:0:0:4:0:0:0:8", "0:0:3:0:0:6:0:0", "1:0:3:0:5:0:7:0", "::ffff:1.2.3.4", "::1.2.3.4", "::0.0.0.1", "::0.0.1.1", "::fffe:1.2.3.4", "64:ff9b::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "::ffff:0:1.2.3.4", "::1.2.3.4/96", "::1.2/96", "::1..2.3", "::1.2.3.4.5", "::01.2.3.4", "::256.1.1.1", "::1.2.3.4/", "::1.2.3.4/129", "::1.2.3./8", "1.2.3.4::", "::1.2.3.4:5",
	":", ":1", "1:", ":::", "1:::2", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "::/129", "::/01", "::/", "::/a", "::1/8 ", "FE80::ABCD", "fe80::1%eth0", "::ffff:0:0", "0:0:0:0:0:ffff:1:2", "0:0:0:0:0:0:1:2", "0:0:0:0:0:0:0:2", "0:0:0:0:0:0:0:0", "0:0:0:0:0:1:0:0", "1:2:3:4:5:6:0:0", "::1:0:0:0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::8000:0:0:0/65", "::1.2.3.4x", "1::/16", "1::1/16", "::1.2.3.4/0",
}

var macaddrTexts = []string{
	"08:00:2b:01:02:03", "08-00-2b-01-02-03", "08002b:010203", "08002b-010203", "0800.2b01.0203", "0800-2b01-0203", "08002b010203", "08:00:2B:01:02:0F", "8:0:2b:1:2:3", " 08:00:2b:01:02:03 ", "08: 00:2b:01:02:03", "08 :00:2b:01:02:03", "08:00:2b:01:02", "08:00:2b:01:02:03:04", "08:00:2b:01:02:03x", "08:00:2b:01:02:0x3", "100:00:2b:01:02:03", "-1:00:2b:01:02:03", "+1:00:2b:01:02:03",
	"0x8:00:2b:01:02:03", "ffffffff08:1:2:3:4:5", "100000008:1:2:3:4:5", "ffffffffffffffff8:1:2:3:4:5", "08002b0102", "08002b01020", "08002b0102034", "08002b 010203", "0 8 0 0 2b", "080 02b:010203", "08-00:2b:01:02:03", "0800.2b01.020g", "g8:00:2b:01:02:03", "", " ", "08002b.010203", "0x0x0x0x0x0x", "08.00.2b.01.02.03", "0800:2b01:0203", "-8002b:010203", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff",
}

func TestNetworkTexts(t *testing.T) {
	eachVersion(t, func(o *oracle) {
		o.checkAll("inet", inetTexts)
		o.checkAll("cidr", inetTexts)
		o.checkAll("macaddr", macaddrTexts)
		for _, value := range []string{
			"", "\x02", "\x01\x20\x00\x04abcd", "\x02\x21\x00\x04abcd", "\x02\x20\x07\x04abcd", "\x02\x20\x00", "\x02\x20\x00\x05abcd", "\x02\x20\x00\x04abc", "\x02\x20\x00\x04abcde", "\x02\x08\x01\x04abcd", "\x02\x08\x00\x04a\x00\x00\x00", "\x03\x80\x00\x100123456789abcdef", "\x03\x81\x00\x100123456789abcdef", "\x03\x80\x00\x040123", "\x03\x08\x01\x10" + "0" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		} {
			o.check("inet", 0, []byte(value), pgtypes.Binary)
			o.check("cidr", 0, []byte(value), pgtypes.Binary)
		}
		for _, value := range []string{"", "12345", "123456", "1234567"} {
			o.check("macaddr", 0, []byte(value), pgtypes.Binary)
		}
		o.check("inet[]", 0, []byte("{1.2.3.4,::1/8,NULL}"), pgtypes.Text)
		o.t.Logf("%d values compared with Postgres %d", o.counted, o.version)
	})
}

func TestRandomNetworks(t *testing.T) {
	o := newOracle(t)
	rng := rand.New(rand.NewSource(seed))
	for range 1500 {
		typ := []string{"inet", "cidr"}[rng.Intn(2)]
		o.check(typ, 0, []byte(pick(rng, 9, "0", "1", "10", "ff", "255", ".", ".", ":", "::", "1.2.3.4", "/8", "/", "0x", "a")), pgtypes.Text)
		address := make([]byte, 16)
		for i := range address {
			address[i] = []byte{0, 0, 0, 1, 0xff, byte(rng.Int())}[rng.Intn(6)]
		}
		o.check(typ, 0, append([]byte{3, byte(rng.Intn(130)), 0, 16}, address...), pgtypes.Binary)
		o.check(typ, 0, fmt.Appendf(nil, "%d.%d.%d.%d/%d", rng.Intn(260), rng.Intn(256), rng.Intn(2), 0, rng.Intn(34)), pgtypes.Text)
		o.check("macaddr", 0, []byte(pick(rng, 14, "0", "8", "f", "00", "1a", ":", "-", ".", " ")), pgtypes.Text)
	}
	t.Logf("%d values compared with Postgres %d", o.counted, o.version)
}

func FuzzNetwork(f *testing.F) {
	fuzzCodec(f, append(inetTexts, macaddrTexts...), "inet", "cidr", "macaddr")
}
