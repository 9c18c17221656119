// What the programs of the Node clients share: see doc.go two folders up.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

// One value for each sealed column of items, in the table's order.
export const values = {
  t: "secret text: Grüße, 'quoted' \\ back",
  vc: 'secret varchar',
  ch: 'sec',
  j: { secret: [1, 2.5] },
  jb: { secret: 'json', a: 1 },
  raw: Buffer.from('\x00\xffsecret bytes\\', 'latin1'),
  ok: true,
  i2: -32768,
  i4: 2147483647,
  i8: '-9223372036854775808',
  f4: 1.5,
  f8: 0.1,
  amount: '12345678901234567890.0123456789',
  uid: '0f0e0d0c-0b0a-0908-0706-050403020100',
  day: '2024-02-29',
  ts: new Date('2024-02-29T12:34:56.789Z'),
  tz: new Date('2024-02-29T12:34:56.789Z'),
}
export const columns = Object.keys(values).join(', ')

// text says the type of a value, and is the same at every run.
export function text(value) {
  if (value === null || value === undefined) return String(value)
  if (value instanceof Date) return `Date ${value.toISOString()}`
  if (Array.isArray(value)) return `[${value.map(text).join(', ')}]`
  if (ArrayBuffer.isView(value)) return long(`Buffer ${Buffer.from(value).toString('hex')}`)
  if (typeof value === 'object') return `{${Object.entries(value).map(([k, v]) => `${k}: ${text(v)}`).join(', ')}}`
  return long(`${typeof value} ${JSON.stringify(value)}`)
}

function long(s) {
  return s.length <= 200 ? s : `${s.length} with digest ${createHash('sha256').update(s).digest('hex').slice(0, 16)}`
}

// feature plays a feature; show prints a line of it.
export async function feature(name, play) {
  const show = (...shown) => console.log(`${name}\t${shown.map((s) => (typeof s === 'string' ? s : text(s))).join(' ')}`)
  try {
    await play(show)
  } catch (error) {
    show(`FAILED: ${error.name}: ${error.message}`)
  }
}

// explain shows an error of the server's.
export function explain(show, error) {
  const { code, severity, message, detail, hint, position } = error
  show(code, severity, message, detail ?? '-', hint ?? '-', position ?? '-', error.constraint ?? error.constraint_name ?? '-')
}

// bad are statements that fail, with their parameters.
export const bad = [
  ['SELEC 1'],
  ['SELECT nothing FROM items WHERE id = $1', 1],
  ["INSERT INTO items (id, org, t) VALUES ($1, 'acme', 'secret twice')", 1],
  ['INSERT INTO items (id, org, t) VALUES (50, $1, NULL)', null],
  ["INSERT INTO items (id, org, uid) VALUES (51, 'acme', $1)", 'no uuid'],
  ["INSERT INTO items (id, org, uid) VALUES (51, 'acme', 'no uuid')"],
  ["INSERT INTO items (id, org, vc) VALUES (51, 'acme', $1)", 'much longer than twenty characters'],
  ["INSERT INTO items (id, org, day) VALUES (51, 'acme', $1)", '2024-02-30'],
  ['SELECT 1/0'],
]

// tls gives the TLS options for a DSN's sslmode and sslrootcert.
export function tls(dsn) {
  const query = new URL(dsn).searchParams
  return query.get('sslmode') === 'verify-full' && { ca: readFileSync(query.get('sslrootcert'), 'utf8') }
}
