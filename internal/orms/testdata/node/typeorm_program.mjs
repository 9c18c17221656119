// TypeORM's features: see doc.go two folders up.

import { readFileSync } from "node:fs";
import { DataSource, EntitySchema, In, IsNull, LessThan, Between, Like } from "typeorm";
import { play, searches, show, values } from "./program.mjs";

const authorColumns = {
  id: { type: "integer", primary: true, generated: "increment" },
  org: { type: "varchar", length: 50, default: "acme" },
  name: { type: "varchar", length: 100 },
  bio: { type: "text", nullable: true },
};
const relations = { notes: { type: "one-to-many", target: "Note", inverseSide: "author" } };
const Author = new EntitySchema({ name: "Author", tableName: "authors", columns: authorColumns, relations });
const Note = new EntitySchema({
  name: "Note",
  tableName: "notes",
  columns: {
    id: { type: "bigint", primary: true, generated: "increment" },
    org: { type: "varchar", length: 50 },
    color: { type: "varchar", length: 10, default: "red" },
    slug: { type: "varchar", length: 50, unique: true },
    stars: { type: "integer", default: 0 },
    body: { type: "text", comment: "what it says" },
    doc: { type: "jsonb", nullable: true },
    raw: { type: "bytea", nullable: true },
    code: { type: "varchar", length: 20, nullable: true },
    at: { type: "timestamp with time zone", nullable: true },
    day: { type: "date", nullable: true },
    n: { type: "integer", nullable: true },
    big: { type: "bigint", nullable: true },
    f: { type: "double precision", nullable: true },
    amount: { type: "numeric", precision: 10, scale: 2, nullable: true },
    uid: { type: "uuid", nullable: true },
    ok: { type: "boolean", nullable: true },
  },
  relations: {
    author: { type: "many-to-one", target: "Author", inverseSide: "notes", nullable: false, joinColumn: { name: "author_id" }, onDelete: "CASCADE" },
  },
});

const dsn = process.argv[2];
const sent = [];
const logger = {
  logQuery: (text) => /^(CREATE|ALTER|COMMENT|DROP)/.test(text) && sent.push(text),
  logQueryError() {}, logQuerySlow() {}, logSchemaBuild() {}, logMigration() {}, log() {},
};
// pg takes options from the DSN.
const source = (entities) => new DataSource({ type: "postgres", url: dsn, entities, poolSize: 1, logger });
const db = source([Author, Note]);
await db.initialize();
const notes = db.getRepository(Note);
const authors = db.getRepository(Author);
const row = (n, more) => ({ org: "acme", author: { id: 1 }, slug: `note-${n}`, stars: n, ...values(n), ...more });
const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
const all = async (where) => {
  for (const n of await notes.find({ where, order: { id: "ASC" } })) show(n);
};

await play(JSON.parse(readFileSync("node_modules/typeorm/package.json")).version, (name) => db.query(`SELECT 'playing: ${name}'`), [
  ["create schema", async () => {
    await db.synchronize();
    show(sent.splice(0));
  }],
  ["no drift", async () => {
    show((await db.driver.createSchemaBuilder().log()).upQueries);
    await db.synchronize();
    show(sent.splice(0));
  }],
  ["introspection", async () => {
    const runner = db.createQueryRunner();
    for (const name of ["authors", "notes"]) {
      const table = await runner.getTable(name);
      for (const c of table.columns) show(name, c.name, c.type, c.length, c.precision ?? null, c.scale ?? null, c.isNullable, c.default ?? null, c.comment ?? null, c.isArray);
      show(table.indices.length, table.uniques.map((u) => u.columnNames), table.foreignKeys.map((k) => [k.columnNames, k.referencedTableName]));
    }
    show(await runner.hasColumn("notes", "body"), await runner.hasTable("other"));
    await runner.release();
  }],
  ["create", async () => {
    const ada = await authors.save({ name: "Ada", bio: "secret bio of Ada" });
    show(ada);
    for (const n of [1, 2, 3]) show((await notes.save(row(n))).id);
    const bo = await authors.save({ name: "Bo" });
    await notes.insert([{ org: "acme", author: bo, slug: "empty", body: "" }, { org: "acme", author: bo, slug: "more", body: "secret more", doc: ["secret"] }]);
    await all({});
  }],
  ["bulk create", async () => {
    show((await notes.insert(range(10, 17).map((n) => row(n)))).identifiers);
    show((await notes.save(range(17, 24).map((n) => row(n)), { chunk: 3 })).map((n) => n.id));
    show((await notes.createQueryBuilder().insert().values([row(10), row(24)]).orIgnore().returning(["id", "body"]).execute()).raw);
    await all({ stars: Between(10, 30) });
  }],
  ["upsert", async () => {
    await notes.upsert([row(10, { body: "secret upserted" }), row(25)], ["slug"]);
    await notes.createQueryBuilder().insert().values(row(11, { body: "secret again" })).orUpdate(["body", "doc"], ["slug"], { skipUpdateIfNoValuesChanged: false }).execute();
    await all({ slug: In(["note-10", "note-11", "note-25"]) });
  }],
  ["read", async () => {
    show(await notes.findOneBy({ id: 1 }), await notes.findOne({ where: { stars: 2 }, select: { id: true, body: true } }));
    show(await notes.find({ select: { id: true, body: true, doc: true }, where: [{ stars: 1 }, { stars: 2 }], order: { stars: "DESC" }, skip: 0, take: 2 }));
    show(await notes.findAndCount({ where: { stars: LessThan(3) }, order: { id: "ASC" }, take: 2 }));
    show(await notes.countBy({ doc: IsNull() }), await notes.existsBy({ stars: 1 }), await notes.maximum("stars"), await notes.sum("stars", { author: { id: 1 } }));
    show(await notes.createQueryBuilder("n").select(["n.id", "n.body"]).addSelect("n.stars * 2", "twice").where("n.stars = :s", { s: 1 }).getRawAndEntities());
    show(await notes.createQueryBuilder("n").select("n.author_id", "author").addSelect("count(n.body)", "filled").groupBy("n.author_id").orderBy("n.author_id").getRawMany());
    show(await db.createQueryBuilder().select("numbered.body", "body").from((q) => q.select(["n.body AS body", "row_number() OVER (ORDER BY n.id) AS nr"]).from(Note, "n"), "numbered").where("numbered.nr < 3").orderBy("numbered.nr").getRawMany());
  }],
  ["relations", async () => {
    show(await authors.find({ relations: { notes: true }, order: { id: "ASC", notes: { id: "ASC" } } }));
    const byId = (a, b) => a.id - b.id;
    const loaded = await authors.find({ relations: { notes: true }, relationLoadStrategy: "query", order: { id: "ASC" } });
    show(loaded.map((a) => ({ ...a, notes: a.notes.sort(byId) })));
    show(await notes.createQueryBuilder("n").leftJoinAndSelect("n.author", "a").where("a.name = :name", { name: "Bo" }).orderBy("n.id").take(5).getMany());
    show(await notes.find({ where: { author: { name: "Ada" }, stars: LessThan(3) }, relations: { author: true }, order: { id: "ASC" } }));
    show((await authors.createQueryBuilder("a").relation("notes").of(1).loadMany()).sort(byId));
  }],
  ["json paths", async () => {
    show(await notes.createQueryBuilder("n").select("n.doc ->> 'k'", "k").addSelect("n.doc #>> '{deep,a}'", "a").where("n.stars < 3").orderBy("n.id").getRawMany());
  }],
  ["update", async () => {
    const one = await notes.findOneByOrFail({ id: 1 });
    one.body = "secret saved";
    one.doc.k = "secret saved";
    one.code = null;
    await notes.save(one);
    show((await notes.update({ stars: 2 }, { body: "secret updated", raw: null, doc: { k: "secret" }, stars: () => "stars + 0" })).affected);
    show((await notes.createQueryBuilder().update().set({ body: "secret returned", at: null }).where({ stars: 3 }).returning(["id", "body"]).execute()).raw);
    await notes.increment({ stars: 3 }, "stars", 0);
    await all({ stars: Between(1, 3) });
  }],
  ["update or create", async () => {
    for (const body of ["secret first", "secret second"]) {
      const found = await notes.findOneBy({ slug: "uoc" });
      show(await notes.save({ id: found?.id, org: "acme", author: { id: 1 }, slug: "uoc", stars: 40, body }));
    }
    await all({ stars: 40 });
  }],
  ["bulk update", async () => {
    const many = await notes.find({ where: { stars: Between(13, 15) }, order: { id: "ASC" } });
    await notes.save(many.map((n, i) => ({ ...n, body: `secret many ${i}`, doc: null, at: null })));
    await all({ stars: Between(13, 15) });
  }],
  ["streaming", async () => {
    for await (const n of await notes.createQueryBuilder("n").orderBy("n.id").stream()) show(n.n_body, n.n_doc);
  }],
  ["transactions", async () => {
    await db.transaction(async (tx) => {
      await tx.insert(Note, row(50));
      throw new Error("undo");
    }).catch((error) => show(error.message));
    await db.transaction(async (tx) => {
      await tx.insert(Note, row(51));
      await tx.transaction(async (inner) => {
        await inner.insert(Note, row(52));
        await inner.insert(Note, row(51));
      }).catch((error) => show(error.code, error.message, error.detail));
      show(await tx.find(Note, { where: { stars: Between(51, 52) }, lock: { mode: "pessimistic_write" } }));
    });
    await all({ stars: Between(50, 59) });
  }],
  ["raw SQL", async () => {
    show(await db.query("INSERT INTO notes (org, author_id, slug, stars, body, day) VALUES ('acme', $1, 'raw-1', 60, $2, $3), ('acme', $1, 'raw-2', 60, 'secret literal', NULL) RETURNING id, body", [1, "secret raw", "2024-01-01"]));
    show(await db.query("SELECT n.*, a.bio FROM notes n JOIN authors a ON a.id = n.author_id WHERE n.stars = $1 ORDER BY n.id", [60]));
  }],
  ["delete", async () => {
    show((await notes.createQueryBuilder().delete().where({ stars: 60 }).returning("body").execute()).raw.map((r) => r.body).sort());
    await notes.remove(await notes.findBy({ stars: 25 }));
    show((await authors.delete({ name: "Bo" })).affected, await notes.count());
  }],
  ["alter schema", async () => {
    const columns = { ...authorColumns, motto: { type: "text", nullable: true }, age: { type: "integer", default: 7 } };
    const more = source([new EntitySchema({ name: "Author", tableName: "authors", columns, relations }), Note]);
    await more.initialize();
    show((await more.driver.createSchemaBuilder().log()).upQueries.map((q) => q.query));
    sent.splice(0);
    await more.synchronize();
    show(sent.splice(0));
    await more.getRepository("Author").update({ id: 1 }, { motto: "secret motto" });
    show(await more.getRepository("Author").find({ order: { id: "ASC" } }));
    await db.synchronize(); // drops them
    await more.synchronize();
    show(sent.splice(0));
    await more.destroy();
  }],
  ["searches", () => searches({
    equal: async () => (await notes.findBy({ body: "secret" })).length,
    like: async () => (await notes.findBy({ body: Like("secret%") })).length,
    order: async () => (await notes.find({ order: { code: "ASC" } })).length,
    in: async () => (await notes.findBy({ code: In(["secret1", "secret2"]) })).length,
    between: async () => (await notes.findBy({ n: Between(1, 2) })).length,
    max: async () => [await notes.maximum("n")].length,
    json: async () => (await notes.createQueryBuilder("n").where("n.doc ->> 'k' = :k", { k: "secret" }).getMany()).length,
    group: async () => (await notes.createQueryBuilder("n").select("n.code").groupBy("n.code").getRawMany()).length,
    update: async () => (await notes.update({ code: "secret" }, { stars: 1 })).affected,
    delete: async () => (await notes.delete({ body: "secret" })).affected,
  })],
]);
await db.destroy();
