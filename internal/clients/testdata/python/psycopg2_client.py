"""psycopg2's features: simple protocol, text, values put into the statement."""

import io
import select
import sys
import threading

import psycopg2
import psycopg2.extras

from features import COLUMNS, VALUES, Feature

DSN = sys.argv[1]
psycopg2.extras.register_uuid()


def connect():
    return psycopg2.connect(DSN)


conn = connect()
conn.autocommit = True
cur = conn.cursor()
WHOLE_ROW = f"INSERT INTO items (id, org, {COLUMNS}) VALUES (%s, %s" + ", %s" * len(VALUES) + ")"


def explain(f, error):
    f.show(error.pgcode, type(error).__name__, error.diag.message_primary, error.diag.message_detail or "-",
           error.diag.message_hint or "-", error.diag.statement_position or "-", error.diag.constraint_name or "-")


with Feature("version") as f:
    f.show(psycopg2.__version__.split()[0])

with Feature("connect") as f:
    f.show(conn.server_version, conn.encoding, conn.info.ssl_in_use, conn.get_transaction_status())

with Feature("types") as f:
    cur.execute(WHOLE_ROW, [1, "acme", *VALUES.values()])
    f.show(cur.rowcount, cur.statusmessage)
    cur.execute(f"SELECT {COLUMNS} FROM items WHERE id = 1")
    for column, value in zip(cur.description, cur.fetchone()):
        f.show(column.name, column.type_code, column.internal_size, value)

with Feature("nulls") as f:
    cur.execute(WHOLE_ROW, [2, "acme"] + [None] * len(VALUES))
    cur.execute(f"SELECT {COLUMNS} FROM items WHERE id = 2 AND t IS NULL")
    f.rows(cur)

with Feature("returning") as f:
    cur.execute("INSERT INTO items (id, org, t, jb) VALUES (3, 'globex', %s, %s) RETURNING id, t, jb",
                ["secret returned", psycopg2.extras.Json({"secret": True})])
    f.rows(cur)
    cur.execute("UPDATE items SET t = %s WHERE id = 3 AND org = 'globex' RETURNING t", ["secret updated"])
    f.rows(cur)

with Feature("batch") as f:
    cur.executemany("INSERT INTO items (id, org, t) VALUES (%s, %s, %s)",
                    [(n, "acme", f"secret many {n}") for n in range(10, 15)])
    psycopg2.extras.execute_batch(cur, "INSERT INTO items (id, org, t) VALUES (%s, %s, %s)",
                                  [(n, "globex", f"secret batch {n}") for n in range(15, 20)])
    psycopg2.extras.execute_values(cur, "INSERT INTO items (id, org, t, i4) VALUES %s",
                                   [(n, "acme", f"secret values {n}", n) for n in range(20, 25)])
    cur.execute("SELECT id, org, t, i4 FROM items WHERE id BETWEEN 10 AND 24 ORDER BY id")
    f.rows(cur)

with Feature("copy in") as f:
    cur.copy_from(io.StringIO("30\tacme\tsecret copied\t1\n31\tglobex\t\\N\t2\n"), "items", columns=("id", "org", "t", "i4"))
    cur.copy_expert("COPY items (id, org, t, raw) FROM STDIN WITH (FORMAT csv, HEADER)",
                    io.StringIO('id,org,t,raw\n32,acme,"secret, ""csv""",\\x0102\n33,acme,,\n'))
    f.show(cur.rowcount, cur.statusmessage)
    cur.execute("SELECT id, org, t, i4, raw FROM items WHERE id BETWEEN 30 AND 33 ORDER BY id")
    f.rows(cur)

with Feature("copy out") as f:
    out = io.StringIO()
    cur.execute("CREATE TABLE copied (id int PRIMARY KEY, org text NOT NULL, t text, jb jsonb)")
    cur.execute("INSERT INTO copied VALUES (1, 'acme', %s, %s), (2, 'globex', NULL, NULL)", ["secret\tout", '{"secret": 1}'])
    cur.copy_to(out, "copied")
    cur.copy_expert("COPY copied (t, id) TO STDOUT WITH (FORMAT csv, HEADER)", out)
    cur.copy_expert("COPY (SELECT t, jb, id FROM copied ORDER BY id DESC) TO STDOUT", out)
    f.show(out.getvalue())

with Feature("cursors") as f:
    cur.execute("INSERT INTO items (id, org, t) SELECT 0, 'acme', NULL WHERE false")
    psycopg2.extras.execute_values(cur, "INSERT INTO items (id, org, t) VALUES %s",
                                   [(n, "acme", f"secret row {n}") for n in range(100, 130)])
    conn.autocommit = False
    with conn.cursor("named") as named:
        named.itersize = 7
        named.execute("SELECT id, t FROM items WHERE id BETWEEN 100 AND 129 ORDER BY id")
        f.rows(named)
    with conn.cursor("scrolled", scrollable=True) as named:
        named.execute("SELECT id, t FROM items WHERE id BETWEEN 100 AND 129 ORDER BY id")
        f.rows(named.fetchmany(3))
        named.scroll(10)
        f.show(named.fetchone())
        named.scroll(5, mode="absolute")
        f.show(named.fetchone())
    conn.commit()
    with conn.cursor("held", withhold=True) as named:
        named.execute("SELECT id, t FROM items WHERE id BETWEEN 100 AND 102 ORDER BY id")
        conn.commit()
        f.rows(named.fetchall())
    conn.commit()
conn.rollback()
conn.autocommit = True

with Feature("transactions") as f:
    conn.autocommit = False
    cur.execute("INSERT INTO items (id, org, t) VALUES (40, 'acme', 'secret gone')")
    for statement in ["INSERT INTO items (id, org, i4) VALUES (41, 'acme', 'no number')", "SELECT t FROM items"]:
        try:
            cur.execute(statement)
        except psycopg2.Error as error:
            explain(f, error)
    f.show(conn.get_transaction_status())
    conn.rollback()
    cur.execute("INSERT INTO items (id, org, t) VALUES (42, 'acme', 'secret kept')")
    cur.execute("SAVEPOINT s")
    cur.execute("UPDATE items SET t = 'secret undone' WHERE id = 42 AND org = 'acme'")
    cur.execute("ROLLBACK TO s")
    conn.commit()
    cur.execute("SELECT id, t FROM items WHERE id BETWEEN 40 AND 42")
    f.rows(cur)
    conn.rollback()
conn.rollback()
conn.autocommit = True

with Feature("errors") as f:
    for statement in [
        "SELEC 1",
        "SELECT nothing FROM items",
        "INSERT INTO items (id, org, t) VALUES (1, 'acme', 'secret twice')",
        "INSERT INTO items (id, org, t) VALUES (50, NULL, NULL)",
        "INSERT INTO items (id, org, uid) VALUES (51, 'acme', 'no uuid')",
        "INSERT INTO items (id, org, vc) VALUES (51, 'acme', 'much longer than twenty characters')",
        "INSERT INTO items (id, org, day) VALUES (51, 'acme', '2024-02-30')",
        "SELECT 1/0",
    ]:
        try:
            cur.execute(statement)
            f.show("no error")
        except psycopg2.Error as error:
            explain(f, error)

with Feature("cancel") as f:
    timer = threading.Timer(0.5, conn.cancel)
    timer.start()
    try:
        cur.execute("SELECT pg_sleep(30)")
    except psycopg2.Error as error:
        explain(f, error)
    timer.join()
    cur.execute("SELECT t FROM items WHERE id = 42")
    f.rows(cur)

with Feature("notify") as f:
    other = connect()
    other.autocommit = True
    cur.execute("LISTEN channel")
    other.cursor().execute("NOTIFY channel, 'hello'")
    select.select([conn], [], [], 10)
    conn.poll()
    f.show([(n.channel, n.payload) for n in conn.notifies])
    other.close()

with Feature("notices") as f:
    conn.notices.clear()
    cur.execute("DO $$ BEGIN RAISE NOTICE 'from the server'; END $$")
    cur.execute("DROP TABLE IF EXISTS not_there")
    f.show(conn.notices)

with Feature("big values") as f:
    cur.execute("INSERT INTO items (id, org, t, raw) VALUES (60, 'acme', %s, %s)", ["secret" * 500000, b"secret\x00" * 300000])
    cur.execute("SELECT t, raw FROM items WHERE id = 60")
    f.rows(cur)
