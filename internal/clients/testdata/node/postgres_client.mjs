// postgres.js's features: every statement prepared and described, types of
// parameters asked of the server, statements of a transaction pipelined.

import { readFileSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import postgres from 'postgres'
import { bad, explain, feature, text, tls, values } from './features.mjs'

const dsn = process.argv[2]
let notice = () => {}
const base = new URL(dsn)
base.search = ''
const options = { max: 1, ssl: tls(dsn), onnotice: (n) => notice(n) }
const sql = postgres(base.toString(), options)
const rows = (show, list) => list.forEach((row) => show(row))
const names = Object.keys(values)

await feature('version', (show) => show(JSON.parse(readFileSync('node_modules/postgres/package.json')).version))

await feature('connect', async (show) => {
  show(await sql`SHOW server_version`)
  show(sql.parameters.server_version, sql.parameters.TimeZone)
})

await feature('types', async (show) => {
  const inserted = await sql`INSERT INTO items ${sql({ id: 1, org: 'acme', ...values }, 'id', 'org', ...names)}`
  show(inserted.command, inserted.count)
  const selected = await sql`SELECT ${sql(names)} FROM items WHERE id = ${1}`
  for (const { name, type } of selected.columns) show(name, type, selected[0][name])
  rows(show, await sql.unsafe('SELECT t, raw, i4 FROM items WHERE id = 1')) // simple protocol
  const described = await sql`INSERT INTO items (id, org, t, i4, jb) VALUES (${9}, ${'acme'}, ${'x'}, ${1}, ${{}})`.describe()
  show(described.types)
  rows(show, (await sql`SELECT t FROM items WHERE id = ${1}`.raw()).map((row) => [...row]))
})

await feature('nulls', async (show) => {
  await sql`INSERT INTO items ${sql({ id: 2, org: 'acme', ...Object.fromEntries(names.map((n) => [n, null])) })}`
  rows(show, await sql`SELECT ${sql(names)} FROM items WHERE id = 2 AND t IS NULL`)
})

await feature('returning', async (show) => {
  rows(show, await sql`INSERT INTO items (id, org, t, jb) VALUES (3, 'globex', ${'secret returned'}, ${{ secret: true }}) RETURNING id, t, jb`)
  rows(show, await sql`UPDATE items SET t = ${'secret updated'} WHERE id = ${3} AND org = ${'globex'} RETURNING t`)
})

await feature('prepared', async (show) => {
  for (let n = 200; n < 208; n++) {
    await sql`INSERT INTO items (id, org, t, f8) VALUES (${n}, ${'acme'}, ${`secret ${n}`}, ${n / 2})`
    rows(show, await sql`SELECT id, t, f8 FROM items WHERE id = ${n}`)
  }
})

await feature('batch', async (show) => {
  const many = Array.from({ length: 5 }, (_, n) => ({ id: 10 + n, org: 'acme', t: `secret many ${n}` }))
  show((await sql`INSERT INTO items ${sql(many, 'id', 'org', 't')}`).count)
  const results = await sql.unsafe(`
    INSERT INTO items (id, org, t) VALUES (20, 'acme', 'secret one'), (21, 'globex', 'secret two');
    UPDATE items SET t = 'secret three' WHERE id = 21 AND org = 'globex';
    SELECT id, t FROM items WHERE id BETWEEN 10 AND 21 ORDER BY id`)
  for (const result of results) show(result.command, result.count, [...result])
})

await feature('pipeline', async (show) => {
  const inserts = Array.from({ length: 10 }, (_, n) => sql`INSERT INTO items (id, org, t, i4) VALUES (${70 + n}, ${'acme'}, ${`secret pipeline ${n}`}, ${n})`)
  await Promise.all(inserts)
  const selects = Array.from({ length: 10 }, (_, n) => sql`SELECT t, i4 FROM items WHERE id = ${70 + n}`)
  for (const result of await Promise.all(selects)) rows(show, result)
  const outcomes = await Promise.allSettled([
    sql`INSERT INTO items (id, org, t) VALUES (${80}, 'acme', ${'secret first'})`,
    sql`INSERT INTO items (id, org, uid) VALUES (${81}, 'acme', ${'no uuid'})`,
    sql`INSERT INTO items (id, org, t) VALUES (${82}, 'acme', ${'secret third'})`,
  ])
  for (const { status, reason } of outcomes) reason ? explain(show, reason) : show(status)
  rows(show, await sql`SELECT id, t FROM items WHERE id BETWEEN 80 AND 82 ORDER BY id`)
})

await feature('copy in', async (show) => {
  const put = async (query, ...chunks) => pipeline(Readable.from(chunks), await query.writable())
  await put(sql`COPY items (id, org, t, i4) FROM STDIN`, '30\tacme\tsecret co', 'pied\t1\n31\tglobex\t\\N\t2\n')
  await put(sql`COPY items (id, org, t, raw) FROM STDIN (FORMAT csv, HEADER)`, 'id,org,t,raw\n32,acme,"secret, ', '""csv"""', ',\\x0102\n33,acme,,\n')
  rows(show, await sql`SELECT id, org, t, i4, raw FROM items WHERE id BETWEEN 30 AND 33 ORDER BY id`)
})

await feature('copy out', async (show) => {
  await sql`CREATE TABLE copied (id int PRIMARY KEY, org text NOT NULL, t text, jb jsonb)`
  await sql`INSERT INTO copied VALUES (1, 'acme', ${'secret\tout'}, ${{ secret: 1 }}), (2, 'globex', NULL, NULL)`
  for (const query of [sql`COPY copied TO STDOUT`, sql`COPY copied (t, id) TO STDOUT (FORMAT csv, HEADER)`, sql`COPY (SELECT t, jb, id FROM copied ORDER BY id DESC) TO STDOUT`]) {
    let out = ''
    for await (const chunk of await query.readable()) out += chunk
    show(text(out))
  }
})

await feature('cursors', async (show) => {
  const many = Array.from({ length: 30 }, (_, n) => ({ id: 100 + n, org: 'acme', t: `secret row ${n}` }))
  await sql`INSERT INTO items ${sql(many, 'id', 'org', 't')}`
  for await (const part of sql`SELECT id, t FROM items WHERE id BETWEEN ${100} AND 129 ORDER BY id`.cursor(7)) rows(show, part)
  await sql`SELECT id, t FROM items WHERE id >= 100 ORDER BY id`.cursor(2, (part) => {
    rows(show, part)
    return sql.CLOSE
  })
  await sql`SELECT id, t FROM items WHERE id BETWEEN 100 AND 104 ORDER BY id`.forEach((row) => show(row))
})

await feature('transactions', async (show) => {
  await sql.begin(async (tx) => {
    await tx`INSERT INTO items (id, org, t) VALUES (40, 'acme', ${'secret gone'})`
    await tx`INSERT INTO items (id, org, uid) VALUES (41, 'acme', ${'no uuid'})`.catch((error) => explain(show, error))
    await tx`SELECT t FROM items`
  }).catch((error) => explain(show, error))
  await sql.begin(async (tx) => {
    await tx`INSERT INTO items (id, org, t) VALUES (42, 'acme', ${'secret kept'})`
    await tx.savepoint(async (inner) => {
      await inner`UPDATE items SET t = ${'secret undone'} WHERE id = 42 AND org = 'acme'`
      throw new Error('roll back')
    }).catch((error) => show(error.message))
  })
  const together = await sql.begin((tx) => [
    tx`INSERT INTO items (id, org, t) VALUES (43, 'acme', ${'secret together'})`,
    tx`SELECT id, t FROM items WHERE id BETWEEN ${40} AND ${43} ORDER BY id`,
  ])
  rows(show, together[1])
})

await feature('errors', async (show) => {
  for (const [statement, ...parameters] of bad)
    await sql.unsafe(statement, parameters).then(() => show('no error'), (error) => explain(show, error))
})

await feature('cancel', async (show) => {
  const query = sql`SELECT pg_sleep(30)`.execute()
  setTimeout(() => query.cancel(), 500)
  await query.catch((error) => explain(show, error))
  rows(show, await sql`SELECT t FROM items WHERE id = 42`)
})

await feature('notify', async (show) => {
  let heard
  const came = new Promise((resolve) => (heard = resolve))
  const listening = await sql.listen('channel', heard)
  await sql.notify('channel', 'hello')
  show(await came)
  await listening.unlisten()
})

await feature('notices', async (show) => {
  notice = ({ code, message }) => show(code, message)
  await sql`DROP TABLE IF EXISTS not_there`
  await sql.unsafe("DO $$ BEGIN RAISE NOTICE 'from the server'; END $$")
})

await feature('big values', async (show) => {
  await sql`INSERT INTO items (id, org, t, raw) VALUES (60, 'acme', ${'secret'.repeat(500000)}, ${Buffer.from('secret\0'.repeat(300000))})`
  rows(show, await sql`SELECT t, raw FROM items WHERE id = 60`)
})

await sql.end()
