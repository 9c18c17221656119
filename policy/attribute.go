package policy

// What pg_attribute has of a column of a type besides its OID, length and modifier.

// ByValue is pg_type.typbyval, as it is on servers of 64 bits.
func (t Type) ByValue() bool {
	n := t.Size()
	return n == 1 || n == 2 || n == 4 || n == 8
}

// Align is pg_type.typalign.
func (t Type) Align() byte {
	switch t.Kind {
	case Int8, Float8, Time, TimeTZ, Timestamp, TimestampTZ, Interval:
		return 'd' // arrays of them too
	case Bool, UUID:
		if !t.Array {
			return 'c'
		}
	case Int2:
		if !t.Array {
			return 's'
		}
	}
	return 'i'
}

// Storage is pg_type.typstorage.
func (t Type) Storage() byte {
	switch {
	case t.Size() > 0:
		return 'p'
	case !t.Array && (t.Kind == Numeric || t.Kind == Inet || t.Kind == CIDR):
		return 'm'
	}
	return 'x'
}

// Collation is pg_type.typcollation: the default one, for text.
func (t Type) Collation() uint32 {
	switch t.Kind {
	case Text, Varchar, Char:
		return 100 // DEFAULT_COLLATION_OID
	}
	return 0
}
