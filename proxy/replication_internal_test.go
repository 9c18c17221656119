package proxy

import "testing"

func TestReplicationCommands(t *testing.T) {
	for text, want := range map[string]bool{
		"IDENTIFY_SYSTEM": true, " identify_system ; ": true, "BASE_BACKUP ( LABEL 'a' )": true, "START_REPLICATION 0/0": true,
		"SHOW wal_level": true, "SHOW": true, "IDENTIFY_SYSTEM;;": false, "BASE_BACKUP (LABEL 'a;b')": false,
		"SHOW x; SELECT 1": false, "IDENTIFY_SYSTEMS": false, "SELECT 1": false, "": false, ";": false, "-- SHOW\n1": false,
		"SHOW\x00": true, "IDENTIFY_SYSTEM-- ; x": false,
	} {
		if got := isReplicationCommand([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestReplicates: as parse_bool reads it.
func TestReplicates(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "false": false, "fal": false, "f": false, "OFF": false, "of": false, "o": false, "no": false, "0": false,
		"true": true, "tr": true, "T": true, "on": true, "y": true, "1": true, "database": true, "DATABASE": false, "perhaps": false, "truely": false, "10": false,
	} {
		st := &startup{parameters: map[string]string{"replication": value}}
		if got := st.replicates(); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}
