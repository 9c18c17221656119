package proxy

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
)

// TestCommonName: of several names none is taken, since OpenSSL takes the first
// and package x509 the last.
func TestCommonName(t *testing.T) {
	cn := func(value any) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: oidCommonName, Value: value}
	}
	other := pkix.AttributeTypeAndValue{Type: []int{2, 5, 4, 10}, Value: "an organisation"}
	for _, test := range []struct {
		names []pkix.AttributeTypeAndValue
		want  string
	}{
		{[]pkix.AttributeTypeAndValue{cn("alice")}, "alice"},
		{[]pkix.AttributeTypeAndValue{other, cn("alice")}, "alice"},
		{[]pkix.AttributeTypeAndValue{cn("alice"), cn("bob")}, ""},
		{[]pkix.AttributeTypeAndValue{cn("")}, ""},
		{[]pkix.AttributeTypeAndValue{cn(5)}, ""},
		{[]pkix.AttributeTypeAndValue{other}, ""},
		{nil, ""},
	} {
		name, err := commonName(&x509.Certificate{Subject: pkix.Name{Names: test.names}})
		if name != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%v: %q, %v", test.names, name, err)
		}
	}
}
