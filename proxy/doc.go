// Package proxy speaks the Postgres wire protocol between a client and the
// upstream server, seals values on their way in and opens them on their way
// out. All else it relays as the bytes it came in.
//
// It decides nothing about SQL: package rewrite says what a statement's plan
// is. It knows no key: package crypto/keyring gives data keys. It brings the
// two together.
//
// # Layers
//
//	server.go     listening, limits; drain.go: shutting down
//	startup.go    from accept to the session
//	startpacket.go   SSLRequest, GSSENCRequest, start-up packet; clienttls.go: TLS, asked for or direct;
//	              clientconn.go: bytes that are read ahead
//	greeting.go   the way to a server that takes the client, and which protocol they speak
//	passthrough.go   authentication that is passed through
//	auth.go       authentication that ends at pgseal: authpassword.go by SCRAM, authmd5.go, authcert.go;
//	              authwire.go: its messages
//	cancel.go     CancelRequest
//	replication.go   replication connections
//	session.go    one client and its upstream connection: two goroutines, and what they share
//	frontend.go   client to server: one method a message (parse.go, bind.go, query.go, copyin.go;
//	              extended.go: Describe, Execute, Close, Sync); bindmessage.go: a Bind taken apart
//	backend.go    server to client: one method a message (describe.go, datarow.go, copyout.go)
//	clientwriter.go  the way to the client, which the backend and whoever ends the session share
//	end.go        how a session ends; idle.go: when it is idle, for too long or when the server shuts down
//	waiting.go    what the frontend waits for before it sends on
//	replies.go    the queue of replies that the server owes (pure)
//	prepared.go   SQL's PREPARE, EXECUTE and DEALLOCATE
//	cursors.go    DECLARE, FETCH, MOVE and CLOSE
//	names.go      what a prepared statement's or portal's name stands for (pure)
//	plans.go      statement text to plan: catalog, cache, settings; replan.go: of a prepared statement again;
//	              templates.go: of texts that differ in their values alone
//	copy.go       what a COPY under way needs in either direction
//	raw.go        sealed values as they are, for users that may have them
//	printing.go   the settings that text of floats and bytea is written by
//	sealer.go     values: type, org, access, data key, seal and open; array.go: arrays' elements, one by one;
//	              sessionorg.go: the org that the session tells, copyorg.go: in rows of COPY;
//	              ownparams.go: parameters of pgseal's own, for it and for literals beside an org in a parameter
//	access.go     who may use whose data, and the audit log of it; startoptions.go: settings in the start-up packet
//	ask.go        questions of pgseal's own in the client's session
//	pooled.go     a pooler between pgseal and the server
//	refuse.go     errors of pgseal's own, in the server's order
//	frame.go      buffers and messages; read.go: what a session waits for without a buffer; scratch.go: space for a moment
//
// # The life of a connection
//
//  1. The first packet is a request for TLS, GSS or a cancel, or the start-up
//     packet. The start-up packet goes to the first upstream server that takes
//     it, as it came but for a protocol that is newer than pgseal's. So does
//     every authentication message, or pgseal authenticates the client and then
//     itself in the client's name (Auth). It knows no password either way.
//  2. Until the server's first ReadyForQuery the client may send nothing but
//     authentication messages.
//  3. The frontend goroutine reads messages, plans statements, seals values,
//     pushes the reply that it expects on the queue, and sends. The backend
//     goroutine reads the server's messages, takes the expected replies off the
//     queue, opens values, and sends to the client.
//  4. Each direction ends by itself. A client that goes, says goodbye, closes its
//     side of the connection or breaks the protocol: the server is told, answers
//     what came before, and ends. A server that ends, with a last word or without:
//     what it has said reaches the client, whose connection is closed then. Only
//     a client that takes no answers any more ends both sides at once.
//  5. A session that pgseal itself ends (it is idle for too long, or pgseal shuts
//     down) is told why between two messages, and leaves the server with a
//     Terminate; what the server does for it is cancelled.
//
// # Errors of pgseal's own
//
// A message that pgseal refuses is not dropped: in its place goes one that the
// server itself refuses (refuse.go), and the server's error is exchanged for
// pgseal's on its way back. The order of replies, the state of the transaction
// and the skipping to the next Sync are then the server's own.
//
// A value that cannot be opened is noticed when the server is done with the
// statement. Its rows are withheld, the error goes out in their place, and the
// server's transaction is aborted before the client hears that it is over; see
// waiting.go for what waits for what.
//
// # Debugging
//
// With telemetry.log.level debug each session logs the kinds of the messages
// that it handles and what was decided, never a value.
package proxy
