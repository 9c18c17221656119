package proxy

import "fmt"

// What the frontend waits for before it sends on.
//
// A value that cannot be opened is an error that the server does not know of.
// For the transaction to end as Postgres would have ended it, nothing with an
// effect may reach the server behind a statement whose rows are still being
// opened: settleOpens waits for that. A SELECT and the Sync behind it, the
// common case, wait for nothing, since neither changes anything. What the client
// sends after that Sync waits, so that nothing of it is answered before a
// transaction in which a value did not open has been aborted.

// wait blocks until done, as session.wait does. What the server waits for
// meanwhile, and only the frontend can send, it sends.
func (f *frontend) wait(done func() bool) error {
	for {
		endCopy := false
		err := f.s.wait(func() bool {
			endCopy = f.s.endCopy
			return endCopy || done()
		})
		if err != nil || !endCopy {
			return err
		}
		f.endCopyIfAsked()
		if err := f.out.flush(); err != nil {
			return fmt.Errorf("send to upstream: %w", err)
		}
	}
}

// mostReplies is how many replies may be outstanding. A message of five bytes makes
// a reply of many more, and sockets hold a million of them. What the server does
// not send for want of a Flush, 8 KiB at most (PQ_SEND_BUFFER_SIZE), are fewer
// replies than half of this, so that many are sure to come.
const mostReplies = 4 << 10

// paceInterval is how often it is looked at, in messages.
const paceInterval = 256

// keepPace waits while too many replies are outstanding. So does Postgres, which
// reads no further than what it has answered.
func (f *frontend) keepPace() error {
	if f.handled++; f.handled%paceInterval != 0 {
		return nil
	}
	f.s.mu.Lock()
	far := f.s.replies.n > mostReplies
	f.s.mu.Unlock()
	if !far {
		return nil
	}
	if err := f.out.flush(); err != nil {
		return fmt.Errorf("send to upstream: %w", err)
	}
	// A server that waits for COPY data answers nothing until it has come.
	return f.wait(func() bool { return f.s.replies.n <= mostReplies/2 || f.s.copying != nil })
}

// await waits for the outcome of an operation in an earlier segment.
func (f *frontend) await(op *nameOp) error {
	if err := f.out.flush(); err != nil {
		return fmt.Errorf("send to upstream: %w", err)
	}
	return f.wait(func() bool { return op.outcome.Load() != outcomePending })
}

// flushUpstream sends all that was collected, and makes the server answer it.
func (f *frontend) flushUpstream() error {
	if f.open || f.closes {
		f.out.buf = append(f.out.begin(), flushMessage...)
	}
	if err := f.out.flush(); err != nil {
		return fmt.Errorf("send to upstream: %w", err)
	}
	return nil
}

var flushMessage = []byte{'H', 0, 0, 0, 4}

// drain waits until the server has answered everything that was sent, or skips
// what was sent, or waits for COPY data itself.
func (f *frontend) drain() error {
	f.s.mu.Lock()
	idle := f.s.replies.n == 0
	f.s.mu.Unlock()
	if idle {
		return nil
	}
	if err := f.flushUpstream(); err != nil {
		return err
	}
	return f.wait(func() bool {
		return f.s.replies.n == 0 || f.s.replies.skipping || f.s.copying != nil
	})
}

// settleOpens waits until every value of the results under way was opened. When
// one was not, the server is made to abort the transaction before anything else
// is sent.
func (f *frontend) settleOpens() error {
	f.s.mu.Lock()
	settled := f.s.replies.opening == 0 && !f.s.failedOpen && !f.s.abort
	f.s.mu.Unlock()
	if settled {
		return nil
	}
	if err := f.flushUpstream(); err != nil {
		return err
	}
	failed := false
	err := f.wait(func() bool {
		failed = f.s.failedOpen && f.open && !f.s.replies.skipping
		return f.s.abort || f.s.replies.skipping || f.s.copying != nil ||
			f.s.replies.opening == 0 && (!f.s.failedOpen || f.open)
	})
	if err != nil {
		return err
	}
	if failed {
		f.s.push(reply{kind: replyParse, own: true})
		f.out.buf = appendParse(f.out.begin(), ownName, refusedText)
		return nil
	}
	return f.abortIfAsked()
}

// endCopyIfAsked fails a COPY FROM STDIN that the server began, in the same simple
// Query, behind rows that could not be opened: the client, which was told of an
// error, will not send its data.
func (f *frontend) endCopyIfAsked() {
	f.s.mu.Lock()
	asked := f.s.endCopy
	f.s.endCopy = false
	f.s.mu.Unlock()
	if asked {
		f.out.buf = appendNamed(f.out.begin(), 'f', 0, marker, "")
	}
}

// abortIfAsked makes the server abort the transaction block that a value could
// not be opened in.
func (f *frontend) abortIfAsked() error {
	f.s.mu.Lock()
	asked := f.s.abort
	f.s.abort = false
	if asked {
		f.s.replies.push(reply{kind: replyQuery, own: true, endsAbort: true})
	}
	f.s.mu.Unlock()
	if !asked {
		return nil
	}
	f.out.buf = appendQuery(f.out.begin(), refusedText)
	if err := f.out.flush(); err != nil {
		return fmt.Errorf("send to upstream: %w", err)
	}
	return f.wait(func() bool { return f.s.replies.n == 0 || f.s.copying != nil })
}
