package oracle_test

import "strings"

var timeTypes = []*logical{
	{
		few:       true,
		sql:       "time",
		values:    []string{"00:00", "24:00:00", "12:34:56.789", "23:59:59.9999995", "040506", "04:05", "04:05:06.1 AM", "12:00 PM"},
		bad:       []string{"", "x", "25:00", "24:00:01", "12:60", "12:30:61"},
		badBinary: []string{"", "1234567", "\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\x00\x00\x14\x1d\xd7\x60\x01"},
	},
	{
		few:       true,
		sql:       "time(2)",
		values:    []string{"12:34:56.785", "12:34:56.784999", "23:59:59.995"},
		bad:       []string{"", "x"},
		badBinary: []string{"1234567"},
	},
	{
		few:       true,
		sql:       "timetz",
		values:    []string{"00:00+00", "24:00:00-01", "12:34:56.789+05:30", "23:59:59.9999995Z", "04:05:06-08", "12:00+15:59:59", "12:00", "04:05:06 PST", "2024-07-02 04:05 Europe/Berlin"},
		bad:       []string{"", "x", "25:00+00", "12:30+16", "12:30:61+00", "04:05 Mars/Phobos", "04:05 Europe/Berlin"},
		badBinary: []string{"", "12345678901", "1234567890123"},
		settings:  []string{"12:34:56.789+05:30", "04:05:06-08"},
	},
	{
		sql: "interval",
		values: []string{"0", "1 day", "-1 day", "1 year 2 months 3 days 04:05:06.789", "-1 year -2 mons +3 days -04:05:06", "P1Y2M3DT4H5M6S", "P-1Y2DT-3H", "1-2 3 4:05:06", "@ 1 hour ago", "36 hours", "1.5 months", "178000000 years",
			"00:00:00.000001", "1 week", "-00:00:01"},
		bad:       []string{"", "x", "1 fortnight ago or so", "P", "1 year 1 year", "200000000000 years", "P1"},
		badBinary: []string{"", "123456789012345", "12345678901234567"},
	},
	{
		few:       true,
		sql:       "interval(2)",
		values:    []string{"1.235 seconds", "1.234999 seconds", "1 day 0.005 seconds"},
		bad:       []string{"", "x"},
		badBinary: []string{"123"},
	},
}

var netTypes = []*logical{
	{
		sql:       "inet",
		values:    []string{"127.0.0.1", "10.1.2.3/8", "0.0.0.0/0", "255.255.255.255", "::1", "2001:db8::1/64", "::ffff:1.2.3.4", "2001:DB8:0:0:1:0:0:1", "1.2.3.4/32"},
		bad:       []string{"", "localhost", "256.0.0.1", "1.2.3", "1.2.3.4/33", "::1/129", "1:2:3:4:5:6:7:8:9", "::g"},
		badBinary: []string{"", "\x02\x20\x00\x04abc", "\x09\x20\x00\x04abcd", "\x02\x21\x00\x04abcd"},
	},
	{
		few:       true,
		sql:       "cidr",
		values:    []string{"10.0.0.0/8", "192.168.1.5/32", "10.1", "0.0.0.0/0", "2001:db8::/32", "::/0", "128.1.2"},
		bad:       []string{"", "10.1.2.3/8", "2001:db8::1/32", "1.2.3.4/33", "x"},
		badBinary: []string{"", "\x02\x08\x01\x04abcd"},
	},
	{
		few:       true,
		sql:       "macaddr",
		values:    []string{"08:00:2b:01:02:03", "08-00-2B-01-02-03", "08002b:010203", "08002b-010203", "0800.2b01.0203", "08002b010203", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"},
		bad:       []string{"", "08:00:2b:01:02", "08:00:2b:01:02:0g", "x", "08:00:2b:01:02:100"},
		badBinary: []string{"", "12345", "1234567"},
	},
}

var arrayTypes = []*logical{
	{
		sql: "text[]",
		values: []string{"{}", "{a}", `{a,"b c",NULL,"NULL","","\"q\" \\ {x},y"}`, "{Grüße,日本語}", " { a , b } ", "[2:3]={a,b}", "{" + strings.Repeat("x,", 300) + "y}",
			"{'\t',\"line\nend\"}"},
		bad:       []string{"", "a", "{a", "{a,,b}", "{a}}", `{"a}`, "{a,{b}}", "[1:2]={a}", "{\xff}"},
		badBinary: []string{"", "\x00\x00\x00\x01", "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x17\x00\x00\x00\x00\x00\x00\x00\x01"},
		settings:  []string{"{a,é}"},
	},
	{
		few:    true,
		sql:    "int4[]",
		values: []string{"{}", "{1,-2,NULL}", "{ 2147483647 , -2147483648 }", "[0:1]={1,2}"},
		bad:    []string{"{a}", "{1,2147483648}", "{1.5}", "1"},
	},
	{
		few:    true,
		sql:    "int8[]",
		values: []string{"{}", "{9223372036854775807,NULL}"},
		bad:    []string{"{9223372036854775808}"},
	},
	{
		few:    true,
		sql:    "bool[]",
		values: []string{"{}", "{t,f,NULL,true,no}"},
		bad:    []string{"{maybe}"},
	},
	{
		few:    true,
		sql:    "float8[]",
		values: []string{"{}", "{1.5,NaN,-inf,0.1,NULL}"},
		bad:    []string{"{x}", "{1e400}"},
	},
	{
		few:    true,
		sql:    "numeric(6,2)[]",
		values: []string{"{}", "{1.005,NULL,-2,NaN}"},
		bad:    []string{"{10000}", "{x}"},
	},
	{
		few:    true,
		sql:    "varchar(3)[]",
		values: []string{"{}", "{abc,\"ab  \",NULL}"},
		bad:    []string{"{abcd}"},
	},
	{
		few:    true,
		sql:    "char(3)[]",
		values: []string{"{}", "{a,abc,NULL}"},
		bad:    []string{"{abcd}"},
	},
	{
		few:    true,
		sql:    "jsonb[]",
		values: []string{"{}", `{"{\"b\": 1, \"a\":[1.0]}",NULL,"null"}`},
		bad:    []string{"{x}", `{"{\"a\":}"}`},
	},
	{
		few:    true,
		sql:    "bytea[]",
		values: []string{"{}", `{"\\x00ff",NULL,abc,""}`},
		bad:    []string{`{"\\x0"}`},
	},
	{
		few:    true,
		sql:    "uuid[]",
		values: []string{"{}", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}"},
		bad:    []string{"{x}"},
	},
	{
		few:    true,
		sql:    "date[]",
		values: []string{"{}", "{2024-02-29,infinity,NULL}"},
		bad:    []string{"{2024-02-30}"},
	},
	{
		few:    true,
		sql:    "timestamptz[]",
		values: []string{"{}", `{"2024-02-29 12:34:56.789+00",-infinity,NULL}`},
		bad:    []string{"{x}"},
	},
	{
		few:    true,
		sql:    "inet[]",
		values: []string{"{}", "{127.0.0.1,2001:db8::/32,NULL}"},
		bad:    []string{"{x}"},
	},
}
