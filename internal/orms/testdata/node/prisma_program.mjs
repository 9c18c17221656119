// Prisma's schema engine, as `prisma db push` and `prisma db pull` run it, on its
// adapter for node-postgres: see doc.go two folders up.

import { readFileSync } from "node:fs";
import pg from "pg";
import { PrismaPg } from "@prisma/adapter-pg";
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from "@prisma/driver-adapter-utils";
import * as engines from "./node_modules/@prisma/schema-engine-wasm/schema_engine_bg.js";
import { play, show } from "./program.mjs";

const dsn = process.argv[2];
const wasm = await WebAssembly.instantiate(readFileSync("node_modules/@prisma/schema-engine-wasm/schema_engine_bg.wasm"), { "./schema_engine_bg.js": engines });
engines.__wbg_set_wasm(wasm.instance.exports);
wasm.instance.exports.__wbindgen_start();

const head = `
datasource db {
  provider = "postgresql"
}
`;
const schema = (more = "") => `${head}
model authors {
  id    Int     @id @default(autoincrement())
  org   String  @default("acme") @db.VarChar(50)
  name  String  @db.VarChar(100)
  bio   String?
  notes notes[]
${more}}

model notes {
  id        BigInt    @id @default(autoincrement())
  org       String    @db.VarChar(50)
  author_id Int
  slug      String    @unique @db.VarChar(50)
  stars     Int       @default(0)
  body      String
  doc       Json?
  raw       Bytes?
  code      String?   @db.VarChar(20)
  at        DateTime? @db.Timestamptz(6)
  day       DateTime? @db.Date
  n         Int?
  big       BigInt?
  f         Float?
  amount    Decimal?  @db.Decimal(10, 2)
  uid       String?   @db.Uuid
  ok        Boolean?
  author    authors   @relation(fields: [author_id], references: [id], onDelete: Cascade)
}
`;
const files = (content) => ({ files: [{ path: "schema.prisma", content }] });
const client = new pg.Client(dsn);
await client.connect();
const filters = { externalTables: [], externalEnums: [] };
// The engine reads Postgres's type "char", for which this adapter has no word yet.
const pool = new pg.Pool({ connectionString: dsn, max: 1 });
const query = pool.query;
let chars = [];
pool.query = async function (...args) {
  const result = await query.apply(this, args);
  chars = (result.fields ?? []).map((f) => f.dataTypeID === 18);
  for (const f of result.fields ?? []) if (f.dataTypeID === 18) f.dataTypeID = 25;
  return result;
};
const factory = new PrismaPg(pool, { schema: "public" });
const connect = factory.connect;
factory.connect = async function () {
  const connected = await connect.call(this);
  const queryRaw = connected.queryRaw;
  connected.queryRaw = async function (...args) {
    const result = await queryRaw.apply(this, args);
    result.columnTypes = result.columnTypes.map((type, i) => (chars[i] ? ColumnTypeEnum.Character : type));
    return result;
  };
  return connected;
};
const adapter = bindMigrationAwareSqlAdapterFactory(factory);
const engine = (content) => engines.SchemaEngine.new({ datamodels: [["schema.prisma", content]] }, () => {}, adapter);
const push = async (content) => {
  const result = await (await engine(content)).schemaPush({ force: false, schema: files(content), filters });
  show(result);
};
const pull = async (content) => {
  const result = await (await engine(content)).introspect({ schema: files(content), baseDirectoryPath: ".", force: true, compositeTypeDepth: 0, namespaces: null });
  for (const line of result.schema.files[0].content.split("\n")) show(line);
  show(result.warnings ?? null, result.views ?? null);
};

const version = JSON.parse(readFileSync("node_modules/@prisma/schema-engine-wasm/package.json")).version;
await play(version, (name) => client.query(`SELECT 'playing: ${name}'`), [
  ["create schema", () => push(schema())],
  ["no drift", async () => {
    await push(schema());
    const both = { from: { tag: "schemaDatasource", ...files(schema()), configDir: "." }, to: { tag: "schemaDatamodel", ...files(schema()) } };
    show((await (await engine(schema())).diff({ ...both, script: true, shadowDatabaseUrl: null, exitCode: true, filters })).stdout ?? null);
  }],
  ["introspection", async () => {
    await pull(head);
    await pull(schema());
  }],
  ["raw SQL", async () => {
    const run = await engine(schema());
    await run.dbExecute({ datasourceType: { tag: "schema", ...files(schema()), configDir: "." }, script: readFileSync("rows.sql", "utf8") });
    show((await client.query("SELECT * FROM notes")).rows);
  }],
  ["alter schema", async () => {
    await push(schema("  motto String?\n  age Int @default(7)\n"));
    await pull(schema());
  }],
]);
await client.end();
process.exit(0);
