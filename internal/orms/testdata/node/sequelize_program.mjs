// Sequelize's features: see doc.go two folders up.

import { readFileSync } from "node:fs";
import { DataTypes, Op, QueryTypes, Sequelize, col, fn, json, literal } from "sequelize";
import { play, searches, show, values } from "./program.mjs";

const sent = [];
const logging = (text) => {
  text = text.replace(/^Executing \([^)]*\): /, "");
  if (/^(CREATE|ALTER|COMMENT|DROP)/.test(text)) sent.push(text);
};
const url = new URL(process.argv[2]);
const db = new Sequelize(url.pathname.slice(1), decodeURIComponent(url.username), decodeURIComponent(url.password), {
  dialect: "postgres", host: url.hostname, port: url.port, logging, pool: { max: 1 }, define: { timestamps: false },
  dialectOptions: { options: url.searchParams.get("options") },
});
const authorColumns = {
  org: { type: DataTypes.STRING(50), allowNull: false, defaultValue: "acme" },
  name: { type: DataTypes.STRING(100), allowNull: false },
  bio: DataTypes.TEXT,
};
const Author = db.define("author", authorColumns, { tableName: "authors" });
const Note = db.define("note", {
  id: { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true },
  org: { type: DataTypes.STRING(50), allowNull: false },
  author_id: { type: DataTypes.INTEGER, allowNull: false },
  slug: { type: DataTypes.STRING(50), allowNull: false },
  stars: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 },
  body: { type: DataTypes.TEXT, allowNull: false, comment: "what it says" },
  doc: DataTypes.JSONB,
  raw: DataTypes.BLOB,
  code: DataTypes.STRING(20),
  at: DataTypes.DATE,
  day: DataTypes.DATEONLY,
  n: DataTypes.INTEGER,
  big: DataTypes.BIGINT,
  f: DataTypes.DOUBLE,
  amount: DataTypes.DECIMAL(10, 2),
  uid: DataTypes.UUID,
  ok: DataTypes.BOOLEAN,
}, { tableName: "notes", indexes: [{ unique: true, fields: ["slug"] }] });
Author.hasMany(Note, { foreignKey: "author_id", as: "notes", onDelete: "CASCADE" });
Note.belongsTo(Author, { foreignKey: "author_id", as: "author" });

const row = (n, more) => ({ org: "acme", author_id: 1, slug: `note-${n}`, stars: n, ...values(n), ...more });
const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
const all = async (where) => {
  for (const n of await Note.findAll({ where, order: ["id"] })) show(n);
};

await play(JSON.parse(readFileSync("node_modules/sequelize/package.json")).version, (name) => db.query(`SELECT 'playing: ${name}'`), [
  ["create schema", async () => {
    await db.sync();
    show(sent.splice(0));
  }],
  ["no drift", async () => {
    await db.sync({ alter: true });
    show(sent.splice(0));
  }],
  ["introspection", async () => {
    const describe = db.getQueryInterface();
    show(await describe.showAllTables());
    for (const table of ["authors", "notes"]) {
      show(await describe.describeTable(table), (await describe.showIndex(table)).map((i) => [i.name, i.unique, i.fields]));
      show((await describe.getForeignKeyReferencesForTable(table)).map((k) => [k.constraintName, k.columnName, k.referencedTableName, k.referencedColumnName]));
    }
  }],
  ["create", async () => {
    show(await Author.create({ name: "Ada", bio: "secret bio of Ada" }));
    for (const n of [1, 2, 3]) show((await Note.create(row(n))).id);
    const bo = await Author.create({ name: "Bo", notes: [{ org: "acme", slug: "empty", body: "" }, { org: "acme", slug: "more", body: "secret more", doc: ["secret"] }] }, { include: "notes" });
    show(bo.notes.length);
    // Not findOrCreate, which puts the INSERT into a database function.
    for (const body of ["secret got", "secret unused"]) show((await Note.findCreateFind({ where: { slug: "got" }, defaults: { org: "acme", author_id: 1, body } }))[1]);
    await all({});
  }],
  ["bulk create", async () => {
    show((await Note.bulkCreate(range(10, 17).map((n) => row(n)))).map((n) => n.id));
    show((await Note.bulkCreate([row(10), row(24)], { ignoreDuplicates: true, returning: true })).length);
    await all({ stars: { [Op.gte]: 10 } });
  }],
  ["upsert", async () => {
    await Note.bulkCreate([row(10, { body: "secret upserted" }), row(25)], { updateOnDuplicate: ["body", "doc"], conflictAttributes: ["slug"] });
    show((await Note.upsert(row(11, { body: "secret again" }), { conflictFields: ["slug"] }))[0].body);
    await all({ slug: ["note-10", "note-11", "note-25"] });
  }],
  ["read", async () => {
    show(await Note.findByPk(1), await Note.findOne({ where: { stars: 2 }, attributes: ["id", "body"] }));
    show(await Note.findAll({ attributes: { exclude: ["raw"] }, where: { [Op.or]: [{ stars: 1 }, { stars: { [Op.between]: [2, 3] } }] }, order: [["stars", "DESC"]], limit: 2, offset: 1 }));
    show(await Note.findAndCountAll({ where: { stars: { [Op.lt]: 3 } }, order: ["id"], limit: 2 }), await Note.count({ where: { doc: null } }), await Note.max("stars"));
    show(await Note.findAll({ attributes: ["author_id", [fn("COUNT", col("body")), "filled"]], group: ["author_id"], order: ["author_id"], raw: true }));
    show(await Note.findAll({ attributes: ["body", [literal("stars * 2"), "twice"]], where: { stars: 1 }, raw: true }));
  }],
  ["relations", async () => {
    show(await Author.findAll({ include: "notes", order: ["id", ["notes", "id", "ASC"]] }));
    show(await Author.findAll({ include: { association: "notes", separate: true, order: ["id"] }, order: ["id"] }));
    show(await Note.findAll({ include: { association: "author", where: { name: "Bo" } }, order: ["id"], limit: 2 }));
    show(await (await Author.findByPk(1)).getNotes({ where: { stars: 1 } }), await (await Author.findByPk(2)).countNotes());
  }],
  ["json paths", async () => {
    show(await Note.findAll({ attributes: [[json("doc.deep.a"), "a"], [literal(`"doc" -> 'k'`), "k"]], where: { stars: { [Op.lt]: 3 } }, order: ["id"], raw: true }));
  }],
  ["update", async () => {
    const one = await Note.findByPk(1);
    one.body = "secret saved";
    one.set("doc.k", "secret saved");
    one.code = null;
    await one.save();
    show(await Note.update({ body: "secret updated", raw: null, doc: { k: "secret" }, stars: literal("stars + 0") }, { where: { stars: 2 } }));
    show(await Note.update({ body: "secret returned", at: null }, { where: { stars: 3 }, returning: true }));
    show(await Note.increment("stars", { by: 0, where: { stars: 3 } }));
    await all({ stars: { [Op.lte]: 3 } });
  }],
  ["update or create", async () => {
    for (const body of ["secret first", "secret second"]) {
      const [note] = await Note.findOrBuild({ where: { slug: "uoc" } });
      await note.set({ org: "acme", author_id: 1, stars: 40, body }).save();
    }
    await all({ stars: 40 });
  }],
  ["transactions", async () => {
    await db.transaction(async (transaction) => {
      await Note.create(row(50), { transaction });
      throw new Error("undo");
    }).catch((error) => show(error.message));
    await db.transaction(async (transaction) => {
      await Note.create(row(51), { transaction });
      await db.transaction({ transaction }, async (inner) => {
        await Note.create(row(52), { transaction: inner });
        await Note.create(row(51), { transaction: inner });
      }).catch((error) => show(error.name, error.original.code, error.original.detail));
      show(await Note.findAll({ where: { stars: [51, 52] }, lock: true, transaction }));
    });
    await all({ stars: [50, 51, 52] });
  }],
  ["raw SQL", async () => {
    show(await db.query("INSERT INTO notes (org, author_id, slug, stars, body, day) VALUES ('acme', 1, $slug, 60, $body, $day) RETURNING id, body",
      { bind: { slug: "raw", body: "secret raw", day: "2024-01-01" }, type: QueryTypes.SELECT }));
    show(await db.query("SELECT n.*, a.bio FROM notes n JOIN authors a ON a.id = n.author_id WHERE n.stars = :stars", { replacements: { stars: 60 }, type: QueryTypes.SELECT }));
  }],
  ["delete", async () => {
    show(await Note.destroy({ where: { stars: 60 } }));
    await (await Note.findOne({ where: { stars: 25 } })).destroy();
    show(await Author.destroy({ where: { name: "Bo" } }), await Note.count());
  }],
  ["alter schema", async () => {
    const describe = db.getQueryInterface();
    await describe.addColumn("authors", "motto", { type: DataTypes.TEXT });
    await describe.addColumn("authors", "age", { type: DataTypes.INTEGER, allowNull: false, defaultValue: 7 });
    await describe.changeColumn("authors", "age", { type: DataTypes.BIGINT, allowNull: false });
    await describe.changeColumn("authors", "motto", { type: DataTypes.TEXT, allowNull: true });
    show(await db.query("UPDATE authors SET motto = $1 WHERE id = 1", { bind: ["secret motto"] }));
    show(await db.query("SELECT * FROM authors ORDER BY id", { type: QueryTypes.SELECT }));
    await describe.removeColumn("authors", "motto");
    await describe.addColumn("authors", "motto", { type: DataTypes.TEXT });
    show(sent.splice(0));
  }],
  ["searches", () => searches(Object.fromEntries(Object.entries({
    equal: { where: { body: "secret" } }, like: { where: { body: { [Op.iLike]: "%secret%" } } }, in: { where: { code: ["secret1", "secret2"] } }, order: { order: ["code"] },
    json: { where: { doc: { k: "secret" } } }, range: { where: { n: { [Op.gt]: 1 } } }, group: { attributes: ["code"], group: ["code"] }, lower: { attributes: [[fn("lower", col("body")), "low"]] },
  }).map(([label, options]) => [label, async () => {
    try {
      return (await Note.findAll({ ...options, raw: true })).length;
    } catch (error) {
      throw error.original;
    }
  }])))],
]);
await db.close();
