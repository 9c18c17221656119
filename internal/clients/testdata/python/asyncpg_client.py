"""asyncpg's features: extended protocol, binary both ways, every statement
prepared with Parse, Describe and Flush."""

import asyncio
import io
import sys

import asyncpg

from features import COLUMNS, VALUES, Feature

DSN = sys.argv[1]
PLACES = ", ".join(f"${n}" for n in range(1, len(VALUES) + 3))
WHOLE_ROW = f"INSERT INTO items (id, org, {COLUMNS}) VALUES ({PLACES})"


def explain(f, error):
    f.show(error.sqlstate, type(error).__name__, error.args[0], error.detail or "-", error.hint or "-",
           getattr(error, "position", None) or "-", getattr(error, "constraint_name", None) or "-")


async def play(conn):
    with Feature("version") as f:
        f.show(asyncpg.__version__)

    with Feature("connect") as f:
        settings = conn.get_settings()
        f.show(str(conn.get_server_version().major), settings.server_encoding, settings.TimeZone, settings.client_encoding,
               conn._transport.get_extra_info("sslcontext") is not None)

    with Feature("types") as f:
        f.show(await conn.execute(WHOLE_ROW, 1, "acme", *VALUES.values()))
        statement = await conn.prepare(f"SELECT {COLUMNS} FROM items WHERE id = $1")
        f.show([(p.name, p.oid) for p in statement.get_parameters()])
        for attribute, value in zip(statement.get_attributes(), await statement.fetchrow(1)):
            f.show(attribute.name, attribute.type.name, attribute.type.oid, value)
        statement = await conn.prepare(WHOLE_ROW)
        f.show(", ".join(p.name for p in statement.get_parameters()))

    with Feature("nulls") as f:
        await conn.execute(WHOLE_ROW, 2, "acme", *[None] * len(VALUES))
        f.rows(await conn.fetch(f"SELECT {COLUMNS} FROM items WHERE id = 2 AND t IS NULL"))

    with Feature("returning") as f:
        f.rows(await conn.fetch("INSERT INTO items (id, org, t, jb) VALUES (3, 'globex', $1, $2) RETURNING id, t, jb",
                                "secret returned", '{"secret": true}'))
        f.show(await conn.fetchval("UPDATE items SET t = $1 WHERE id = $2 AND org = $3 RETURNING t", "secret updated", 3, "globex"))

    with Feature("prepared") as f:
        insert = await conn.prepare("INSERT INTO items (id, org, t, f8) VALUES ($1, $2, $3, $4)")
        select = await conn.prepare("SELECT id, t, f8 FROM items WHERE id = $1")
        for n in range(200, 208):
            await insert.fetch(n, "acme", f"secret {n}", n / 2)
            f.rows(await select.fetch(n))

    with Feature("batch") as f:
        await conn.executemany("INSERT INTO items (id, org, t) VALUES ($1, $2, $3)",
                               [(n, "acme", f"secret many {n}") for n in range(10, 25)])
        f.rows(await conn.fetch("SELECT id, t FROM items WHERE id BETWEEN 10 AND 24 ORDER BY id"))
        try:
            await conn.executemany("INSERT INTO items (id, org, t) VALUES ($1, $2, $3)",
                                   [(25, "acme", "secret undone"), (25, "acme", "secret twice")])
        except asyncpg.PostgresError as error:
            explain(f, error)
        f.show(await conn.fetchval("SELECT count(*) FROM items WHERE id = 25"))

    with Feature("copy in") as f:
        f.show(await conn.copy_records_to_table("items", columns=["id", "org", *VALUES], records=[
            (30, "acme", *VALUES.values()), (31, "globex", *[None] * len(VALUES))]))
        f.show(await conn.copy_to_table("items", source=io.BytesIO(b"32\tacme\tsecret copied\n33\tglobex\t\\N\n"), columns=["id", "org", "t"]))
        f.show(await conn.copy_to_table("items", source=io.BytesIO(b'id,org,t\n34,acme,"secret, ""csv"""\n'),
                                        columns=["id", "org", "t"], format="csv", header=True))
        f.rows(await conn.fetch(f"SELECT id, org, {COLUMNS} FROM items WHERE id BETWEEN 30 AND 34 ORDER BY id"))

    with Feature("copy out") as f:
        await conn.execute("CREATE TABLE copied (id int PRIMARY KEY, org text NOT NULL, t text, jb jsonb)")
        await conn.execute("INSERT INTO copied VALUES (1, 'acme', $1, $2), (2, 'globex', NULL, NULL)", "secret\tout", '{"secret": 1}')
        for options in dict(), dict(format="csv", header=True), dict(format="binary"):
            out = io.BytesIO()
            await conn.copy_from_table("copied", columns=["t", "id"], output=out, **options)
            f.show(out.getvalue())
        out = io.BytesIO()
        f.show(await conn.copy_from_query("SELECT t, jb, id FROM copied WHERE id >= $1 ORDER BY id DESC", 1, output=out))
        f.show(out.getvalue())

    with Feature("cursors") as f:
        await conn.executemany("INSERT INTO items (id, org, t) VALUES ($1, $2, $3)", [(n, "acme", f"secret row {n}") for n in range(100, 130)])
        async with conn.transaction():
            async for row in conn.cursor("SELECT id, t FROM items WHERE id BETWEEN $1 AND 129 ORDER BY id", 100, prefetch=7):
                f.show(tuple(row))
            cursor = await conn.cursor("SELECT id, t FROM items WHERE id BETWEEN 100 AND 129 ORDER BY id")
            f.rows(await cursor.fetch(3))
            f.show(await cursor.forward(10))
            f.rows(await cursor.fetch(2))

    with Feature("transactions") as f:
        try:
            async with conn.transaction():
                await conn.execute("INSERT INTO items (id, org, t) VALUES (40, 'acme', 'secret gone')")
                try:
                    await conn.execute("INSERT INTO items (id, org, uid) VALUES (41, 'acme', 'no uuid')")
                except asyncpg.PostgresError as error:
                    explain(f, error)
                await conn.fetch("SELECT t FROM items")
        except asyncpg.PostgresError as error:
            explain(f, error)
        async with conn.transaction():
            await conn.execute("INSERT INTO items (id, org, t) VALUES (42, 'acme', 'secret kept')")
            inner = conn.transaction()
            await inner.start()
            await conn.execute("UPDATE items SET t = $1 WHERE id = 42 AND org = 'acme'", "secret undone")
            await inner.rollback()
        f.rows(await conn.fetch("SELECT id, t FROM items WHERE id BETWEEN 40 AND 42"))

    with Feature("errors") as f:
        for statement, *parameters in [
            ("SELEC 1",),
            ("SELECT nothing FROM items WHERE id = $1", 1),
            ("INSERT INTO items (id, org, t) VALUES ($1, 'acme', 'secret twice')", 1),
            ("INSERT INTO items (id, org, t) VALUES (50, $1, NULL)", None),
            ("INSERT INTO items (id, org, uid) VALUES (51, 'acme', 'no uuid')",),
            ("INSERT INTO items (id, org, vc) VALUES (51, 'acme', $1)", "much longer than twenty characters"),
            ("INSERT INTO items (id, org, jb) VALUES (51, 'acme', $1)", "{no json"),
            ("SELECT 1/$1::int", 0),
        ]:
            try:
                await conn.execute(statement, *parameters)
                f.show("no error")
            except asyncpg.PostgresError as error:
                explain(f, error)

    with Feature("cancel") as f:
        try:
            await conn.execute("SELECT pg_sleep(30)", timeout=0.5)
        except asyncio.TimeoutError as error:
            f.show(type(error).__name__)
        f.rows(await conn.fetch("SELECT t FROM items WHERE id = 42"))

    with Feature("notify") as f:
        came = asyncio.get_running_loop().create_future()
        await conn.add_listener("channel", lambda _conn, _pid, channel, payload: came.set_result((channel, payload)))
        other = await asyncpg.connect(DSN)
        await other.execute("NOTIFY channel, 'hello'")
        f.show(await asyncio.wait_for(came, 10))
        await other.close()

    with Feature("notices") as f:
        notices = []
        conn.add_log_listener(lambda _conn, message: notices.append((message.sqlstate, message.message)))
        await conn.execute("DO $$ BEGIN RAISE NOTICE 'from the server'; END $$")
        await conn.execute("DROP TABLE IF EXISTS not_there")
        await asyncio.sleep(0)
        f.rows(notices)

    with Feature("big values") as f:
        await conn.execute("INSERT INTO items (id, org, t, raw) VALUES (60, 'acme', $1, $2)", "secret" * 500000, b"secret\x00" * 300000)
        f.rows(await conn.fetch("SELECT t, raw FROM items WHERE id = 60"))


async def main():
    conn = await asyncpg.connect(DSN)
    await play(conn)
    await conn.close()


asyncio.run(main())
