package clients_test

import "strings"

// difference is a feature in which some clients see something else through
// pgseal, and why. Through pgseal the client must see the text, so that another
// difference is not taken for this one.
type difference struct {
	feature string
	clients []string
	text    string
	why     string // a sentence, for docs/clients.md
}

var differences []difference

// differenceOf gives the number of the known difference, -1 when there is none.
func differenceOf(client, feature string) int {
	for i, d := range differences {
		for _, c := range d.clients {
			if c == client && d.feature == feature {
				return i
			}
		}
	}
	return -1
}

// seen tells whether what the client saw is the known difference.
func (d *difference) seen(got []string) bool {
	for _, line := range got {
		if strings.Contains(line, d.text) {
			return true
		}
	}
	return false
}
