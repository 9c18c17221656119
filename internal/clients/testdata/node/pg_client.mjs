// node-postgres's features: text both ways, extended protocol where there are
// parameters, named statements on request, portals through pg-cursor.

import { readFileSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import pg from 'pg'
import Cursor from 'pg-cursor'
import copy from 'pg-copy-streams'
import { bad, columns, explain, feature, text, values } from './features.mjs'

const dsn = process.argv[2]
const client = new pg.Client(dsn)
await client.connect()
const rows = async (show, ...query) => {
  for (const row of (await client.query(...query)).rows) show(row)
}
const places = Array.from({ length: 2 + Object.keys(values).length }, (_, i) => `$${i + 1}`).join(', ')
const wholeRow = `INSERT INTO items (id, org, ${columns}) VALUES (${places})`

await feature('version', (show) => show(JSON.parse(readFileSync('node_modules/pg/package.json')).version))

await feature('connect', async (show) => {
  show((await client.query('SHOW server_version')).rows, client.connection.stream.encrypted ?? false)
})

await feature('types', async (show) => {
  const inserted = await client.query(wholeRow, [1, 'acme', ...Object.values(values)])
  show(inserted.command, inserted.rowCount)
  const selected = await client.query(`SELECT ${columns} FROM items WHERE id = $1`, [1])
  for (const { name, dataTypeID, dataTypeSize, dataTypeModifier, format } of selected.fields)
    show(name, dataTypeID, dataTypeSize, dataTypeModifier, format, selected.rows[0][name])
  await client.query("INSERT INTO items (id, org, t, raw) VALUES (4, 'acme', 'secret', '\\x00ff')")
  await rows(show, 'SELECT t, raw FROM items WHERE id = 4')
  await rows(show, { text: 'SELECT t, raw, i4 FROM items WHERE id = $1', values: [1], binary: true })
  await rows(show, { text: 'SELECT t, uid FROM items WHERE id = $1', values: [1], rowMode: 'array' })
})

await feature('nulls', async (show) => {
  await client.query(wholeRow, [2, 'acme', ...Object.values(values).map(() => null)])
  await rows(show, `SELECT ${columns} FROM items WHERE id = 2 AND t IS NULL`)
})

await feature('returning', async (show) => {
  await rows(show, "INSERT INTO items (id, org, t, jb) VALUES (3, 'globex', $1, $2) RETURNING id, t, jb", ['secret returned', { secret: true }])
  await rows(show, 'UPDATE items SET t = $1 WHERE id = $2 AND org = $3 RETURNING t', ['secret updated', 3, 'globex'])
})

await feature('prepared', async (show) => {
  for (let n = 200; n < 208; n++) {
    await client.query({ name: 'insert', text: 'INSERT INTO items (id, org, t, f8) VALUES ($1, $2, $3, $4)', values: [n, 'acme', `secret ${n}`, n / 2] })
    await rows(show, { name: 'select', text: 'SELECT id, t, f8 FROM items WHERE id = $1', values: [n] })
  }
  await rows(show, "SELECT name FROM pg_prepared_statements WHERE name IN ('insert', 'select') ORDER BY name")
})

await feature('batch', async (show) => {
  for (const result of await client.query(`
      INSERT INTO items (id, org, t) VALUES (10, 'acme', 'secret one'), (11, 'globex', 'secret two');
      UPDATE items SET t = 'secret three' WHERE id = 11 AND org = 'globex';
      SELECT id, t FROM items WHERE id IN (10, 11) ORDER BY id`)) show(result.command, result.rowCount, result.rows)
})

await feature('copy in', async (show) => {
  const put = async (statement, ...chunks) => {
    const stream = client.query(copy.from(statement))
    await pipeline(Readable.from(chunks), stream)
    show(stream.rowCount)
  }
  await put('COPY items (id, org, t, i4) FROM STDIN', '30\tacme\tsecret co', 'pied\t1\n31\tglobex\t\\N\t2\n')
  await put('COPY items (id, org, t, raw) FROM STDIN (FORMAT csv, HEADER)', 'id,org,t,raw\n32,acme,"secret, ', '""csv"""', ',\\x0102\n33,acme,,\n')
  await rows(show, 'SELECT id, org, t, i4, raw FROM items WHERE id BETWEEN 30 AND 33 ORDER BY id')
  await put('COPY items (id, org, i4) FROM STDIN', '34\tacme\t1\n35\tacme\tno number\n').catch((error) => explain(show, error))
  await rows(show, 'SELECT count(*) FROM items WHERE id IN (34, 35)')
})

await feature('copy out', async (show) => {
  await client.query('CREATE TABLE copied (id int PRIMARY KEY, org text NOT NULL, t text, jb jsonb)')
  await client.query("INSERT INTO copied VALUES (1, 'acme', $1, $2), (2, 'globex', NULL, NULL)", ['secret\tout', { secret: 1 }])
  for (const statement of ['COPY copied TO STDOUT', 'COPY copied (t, id) TO STDOUT (FORMAT csv, HEADER)', 'COPY (SELECT t, jb, id FROM copied ORDER BY id DESC) TO STDOUT']) {
    let out = ''
    for await (const chunk of client.query(copy.to(statement))) out += chunk
    show(text(out))
  }
})

await feature('cursors', async (show) => {
  await client.query("INSERT INTO items (id, org, t) SELECT 0, 'acme', NULL WHERE false")
  for (let n = 100; n < 130; n++) await client.query('INSERT INTO items (id, org, t) VALUES ($1, $2, $3)', [n, 'acme', `secret row ${n}`])
  const cursor = client.query(new Cursor('SELECT id, t FROM items WHERE id BETWEEN $1 AND 129 ORDER BY id', [100]))
  for (let part; (part = await cursor.read(7)).length; ) show(part)
  await cursor.close()
  const closed = client.query(new Cursor('SELECT id, t FROM items WHERE id >= 100 ORDER BY id'))
  show(await closed.read(2))
  await closed.close()
})

await feature('transactions', async (show) => {
  await client.query('BEGIN')
  await client.query("INSERT INTO items (id, org, t) VALUES (40, 'acme', 'secret gone')")
  for (const statement of ["INSERT INTO items (id, org, i4) VALUES (41, 'acme', 'no number')", 'SELECT t FROM items'])
    await client.query(statement).catch((error) => explain(show, error))
  show((await client.query('COMMIT')).command)
  await client.query('BEGIN')
  await client.query("INSERT INTO items (id, org, t) VALUES (42, 'acme', $1)", ['secret kept'])
  await client.query('SAVEPOINT s')
  await client.query("UPDATE items SET t = $1 WHERE id = 42 AND org = 'acme'", ['secret undone'])
  await client.query('ROLLBACK TO s')
  await client.query('COMMIT')
  await rows(show, 'SELECT id, t FROM items WHERE id BETWEEN 40 AND 42')
})

await feature('errors', async (show) => {
  for (const [statement, ...parameters] of bad)
    await client.query(statement, parameters).then(() => show('no error'), (error) => explain(show, error))
})

await feature('cancel', async (show) => {
  // node-postgres cancels with a second client that knows the first one's key. Postgres
  // signals the backend twice (signal_child), and closes that connection then: what is
  // sent before may meet the second signal.
  const canceller = new pg.Client(dsn)
  const signalled = new Promise((resolve) => canceller.connection.once('end', resolve))
  const query = new pg.Query('SELECT pg_sleep(30)')
  const done = new Promise((resolve) => query.on('error', resolve))
  client.query(query)
  setTimeout(() => canceller.cancel(client, query), 500)
  explain(show, await done)
  await signalled
  await rows(show, 'SELECT t FROM items WHERE id = 42')
})

await feature('notify', async (show) => {
  const came = new Promise((resolve) => client.once('notification', resolve))
  await client.query('LISTEN channel')
  const other = new pg.Client(dsn)
  await other.connect()
  await other.query("NOTIFY channel, 'hello'")
  const { channel, payload } = await came
  show(channel, payload)
  await other.end()
})

await feature('notices', async (show) => {
  client.on('notice', ({ code, message }) => show(code, message))
  await client.query("DO $$ BEGIN RAISE NOTICE 'from the server'; END $$")
  await client.query('DROP TABLE IF EXISTS not_there')
})

await feature('big values', async (show) => {
  await client.query("INSERT INTO items (id, org, t, raw) VALUES (60, 'acme', $1, $2)", ['secret'.repeat(500000), Buffer.from('secret\0'.repeat(300000))])
  await rows(show, 'SELECT t, raw FROM items WHERE id = 60')
})

await client.end()
