package proxy

import (
	"strings"
	"testing"
)

// TestReplies plays short conversations against the queue: what is sent, then
// what the server answers, and what is left outstanding.
func TestReplies(t *testing.T) {
	kinds := map[string]replyKind{
		"P": replyParse, "B": replyBind, "DS": replyDescribeStatement, "DP": replyDescribePortal,
		"E": replyExecute, "C": replyClose, "S": replySync, "Q": replyQuery, "F": replyFunctionCall,
	}
	names := map[replyKind]string{}
	for name, kind := range kinds {
		names[kind] = name
	}
	tests := []struct {
		name   string
		script string // ">X" sends X; "error", "ready", "copy" and "pop" are the server's
		left   string
	}{
		{"a simple query", ">Q ready", ""},
		{"an error in a simple query keeps its ReadyForQuery", ">Q error", "Q"},
		{"an error skips to Sync", ">P >B >E >S error", "S"},
		{"an error skips a pipelined Query", ">P >Q >S error", "S"},
		{"what is sent while skipping is dropped, but for Sync", ">P error >B >E >Q >S", "S"},
		{"after Sync all is expected again", ">P error >S ready >B >E", "B E"},
		{"behind a Sync that was sent all is expected", ">P >S error >Q", "S Q"},
		{"an error keeps later segments", ">P >E >S >B >E >S error", "S B E S"},
		{"an error in a Sync skips nothing", ">S >P >S error", "S P S"},
		{"a ReadyForQuery ends one segment", ">S >S ready", "S"},
		{"a FunctionCall needs no Sync", ">F ready", ""},
		{"an error in a FunctionCall skips nothing", ">F >P error", "F P"},
		{"Syncs ahead of COPY data are not answered", ">E >S copy", "E"},
		{"COPY in a simple query ignores Syncs as well", ">Q >S >S copy", "Q"},
		{"Parse, Bind, Execute one by one", ">P >B >E >S pop pop pop", "S"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var q replies
			for _, word := range strings.Fields(test.script) {
				switch word {
				case "error":
					q.failed()
				case "ready":
					q.ready()
				case "copy":
					q.copyIn()
				case "pop":
					q.pop()
				default:
					q.push(reply{kind: kinds[word[1:]]})
				}
			}
			var left []string
			for q.n > 0 {
				left = append(left, names[q.front().kind])
				q.pop()
			}
			if got := strings.Join(left, " "); got != test.left {
				t.Errorf("%s leaves %q outstanding, want %q", test.script, got, test.left)
			}
		})
	}
}

func TestRepliesCountOpening(t *testing.T) {
	var q replies
	for range 100 {
		q.push(reply{kind: replyExecute, opens: true})
		q.push(reply{kind: replySync})
	}
	if q.opening != 100 {
		t.Fatalf("opening is %d, want 100", q.opening)
	}
	q.pop()
	q.ready()
	q.failed()
	q.ready()
	if q.opening != 98 {
		t.Fatalf("opening is %d, want 98", q.opening)
	}
}

func TestDroppedRepliesSettleTheirNames(t *testing.T) {
	var q replies
	before, after := &nameOp{}, &nameOp{}
	q.push(reply{kind: replyParse})
	q.push(reply{kind: replyParse, name: before})
	q.failed()
	q.push(reply{kind: replyParse, name: after})
	for what, op := range map[string]*nameOp{"sent before the error": before, "sent while skipping": after} {
		if op.outcome.Load() != outcomeFailed {
			t.Errorf("a Parse %s: its name is not settled as failed", what)
		}
	}
}

func TestRepliesDoNotAllocate(t *testing.T) {
	var q replies
	allocs := testing.AllocsPerRun(100, func() {
		for range 10 {
			q.push(reply{kind: replyParse})
			q.push(reply{kind: replySync})
		}
		for range 10 {
			q.pop()
			q.ready()
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for 20 messages, want none", allocs)
	}
}
