"""psycopg's (version 3) features: extended protocol, text by default and binary
on request, prepared statements by itself after five runs, pipeline mode."""

import sys
import threading

import psycopg
from psycopg.types.json import Json, Jsonb

from features import COLUMNS, VALUES, Feature

DSN = sys.argv[1]


def connect():
    return psycopg.connect(DSN, autocommit=True)


conn = connect()
WHOLE_ROW = f"INSERT INTO items (id, org, {COLUMNS}) VALUES (%s, %s" + ", %s" * len(VALUES) + ")"


def explain(f, error):
    diag = error.diag
    f.show(error.sqlstate, type(error).__name__, diag.message_primary, diag.message_detail or "-",
           diag.message_hint or "-", diag.statement_position or "-", diag.constraint_name or "-")


with Feature("version") as f:
    f.show(psycopg.__version__)

with Feature("connect") as f:
    info = conn.info
    f.show(info.server_version, info.encoding, info.transaction_status.name, conn.pgconn.ssl_in_use,
           *[info.parameter_status(p) or "-" for p in ("server_encoding", "DateStyle", "TimeZone", "integer_datetimes")])

with Feature("types") as f:
    conn.execute(WHOLE_ROW, [1, "acme", *VALUES.values()])
    for binary in False, True:
        cur = conn.execute(f"SELECT {COLUMNS} FROM items WHERE id = %s", [1], binary=binary)
        for column, value in zip(cur.description, cur.fetchone()):
            f.show(column.name, column.type_code, column.internal_size, value)
    # A str in binary has the type text, which Postgres does not assign to json.
    values = VALUES | {"j": Json({"secret": 1}), "jb": Jsonb({"secret": [2]})}
    try:
        conn.execute(WHOLE_ROW.replace("%s", "%b"), [4, "acme", *VALUES.values()])
    except psycopg.Error as error:
        explain(f, error)
    conn.execute(WHOLE_ROW.replace("%s", "%b"), [4, "acme", *values.values()])
    f.rows(conn.execute(f"SELECT {COLUMNS} FROM items WHERE id = 4", binary=True))

with Feature("nulls") as f:
    conn.execute(WHOLE_ROW, [2, "acme"] + [None] * len(VALUES))
    f.rows(conn.execute(f"SELECT {COLUMNS} FROM items WHERE id = 2 AND t IS NULL"))

with Feature("returning") as f:
    f.rows(conn.execute("INSERT INTO items (id, org, t, jb) VALUES (3, 'globex', %s, %s) RETURNING id, t, jb",
                        ["secret returned", Jsonb({"secret": True})]))
    f.rows(conn.execute("UPDATE items SET t = %s WHERE id = %s AND org = %s RETURNING t", ["secret updated", 3, "globex"]))

with Feature("prepared") as f:
    # From the sixth run on it is a named statement.
    for n in range(200, 208):
        conn.execute("INSERT INTO items (id, org, t, f8) VALUES (%s, %s, %s, %s)", [n, "acme", f"secret {n}", n / 2])
        f.rows(conn.execute("SELECT id, t, f8 FROM items WHERE id = %s", [n]))
    f.rows(conn.execute("SELECT t FROM items WHERE id = %s", [200], prepare=True, binary=True))
    f.rows(conn.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE '\\_pg3%'"))

with Feature("batch") as f:
    cur = conn.cursor()
    cur.executemany("INSERT INTO items (id, org, t) VALUES (%s, %s, %s)",
                    [(n, "acme", f"secret many {n}") for n in range(10, 20)])
    f.show(cur.rowcount)
    cur.executemany("INSERT INTO items (id, org, t) VALUES (%s, %s, %s) RETURNING id, t",
                    [(n, "globex", f"secret returning {n}") for n in range(20, 25)], returning=True)
    while True:
        f.rows(cur)
        if not cur.nextset():
            break

with Feature("pipeline") as f:
    with conn.pipeline():
        cursors = []
        for n in range(70, 80):
            conn.execute("INSERT INTO items (id, org, t, i4) VALUES (%s, %s, %s, %s)", [n, "acme", f"secret pipeline {n}", n])
            cursors.append(conn.execute("SELECT t, i4 FROM items WHERE id = %s", [n]))
        for cur in cursors:
            f.rows(cur)
    try:
        with conn.pipeline() as pipeline:
            conn.execute("INSERT INTO items (id, org, t) VALUES (80, 'acme', 'secret undone')")
            conn.execute("INSERT INTO items (id, org, i4) VALUES (81, 'acme', 'no number')")
            conn.execute("INSERT INTO items (id, org, t) VALUES (82, 'acme', 'secret skipped')")
            pipeline.sync()
            conn.execute("INSERT INTO items (id, org, t) VALUES (83, 'acme', 'secret after sync')")
    except psycopg.Error as error:
        explain(f, error)
    f.rows(conn.execute("SELECT id, t FROM items WHERE id BETWEEN 80 AND 83 ORDER BY id"))

with Feature("copy in") as f:
    with conn.cursor() as cur:
        with cur.copy("COPY items (id, org, t, i4, raw) FROM STDIN") as copy:
            copy.write_row((30, "acme", "secret\tcopied", 1, b"\x00\x01"))
            copy.write_row((31, "globex", None, None, None))
        f.show(cur.rowcount, cur.statusmessage)
        with cur.copy("COPY items (id, org, t, i4, raw, uid) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "text", "text", "int4", "bytea", "uuid"])
            copy.write_row((32, "acme", "secret binary", 2, b"\x02\x03", VALUES["uid"]))
            copy.write_row((33, "acme", None, None, None, None))
    f.rows(conn.execute("SELECT id, org, t, i4, raw, uid FROM items WHERE id BETWEEN 30 AND 33 ORDER BY id"))
    try:
        with conn.cursor() as cur, cur.copy("COPY items (id, org, i4) FROM STDIN") as copy:
            copy.write("34\tacme\t1\n35\tacme\tno number\n")
    except psycopg.Error as error:
        explain(f, error)
    f.rows(conn.execute("SELECT id FROM items WHERE id IN (34, 35)"))

with Feature("copy out") as f:
    conn.execute("CREATE TABLE copied (id int PRIMARY KEY, org text NOT NULL, t text, jb jsonb)")
    conn.execute("INSERT INTO copied VALUES (1, 'acme', %s, %s), (2, 'globex', NULL, NULL)", ["secret\tout", '{"secret": 1}'])
    with conn.cursor() as cur:
        with cur.copy("COPY copied TO STDOUT") as copy:
            f.rows(copy.rows())
        with cur.copy("COPY copied (t, id) TO STDOUT (FORMAT binary)") as copy:
            copy.set_types(["text", "int4"])
            f.rows(copy.rows())
        with cur.copy("COPY (SELECT t, jb, id FROM copied ORDER BY id DESC) TO STDOUT") as copy:
            f.show(b"".join(bytes(block) for block in copy))

with Feature("cursors") as f:
    cur = conn.cursor()
    cur.executemany("INSERT INTO items (id, org, t) VALUES (%s, %s, %s)", [(n, "acme", f"secret row {n}") for n in range(100, 130)])
    for binary in False, True:
        with conn.transaction(), conn.cursor("named", binary=binary) as named:
            named.itersize = 7
            named.execute("SELECT id, t FROM items WHERE id BETWEEN %s AND 129 ORDER BY id", [100])
            f.rows(named)
    with conn.transaction(), conn.cursor("scrolled", scrollable=True) as named:
        named.execute("SELECT id, t FROM items WHERE id BETWEEN 100 AND 129 ORDER BY id")
        f.rows(named.fetchmany(3))
        named.scroll(10)
        f.show(named.fetchone())
        named.scroll(5, mode="absolute")
        f.show(named.fetchone())
    with conn.cursor("held", withhold=True) as named:
        named.execute("SELECT id, t FROM items WHERE id BETWEEN 100 AND 102 ORDER BY id")
        f.rows(named.fetchall())
    f.rows(conn.cursor().stream("SELECT id, t FROM items WHERE id BETWEEN 100 AND 105 ORDER BY id"))

with Feature("transactions") as f:
    try:
        with conn.transaction():
            conn.execute("INSERT INTO items (id, org, t) VALUES (40, 'acme', 'secret gone')")
            try:
                conn.execute("INSERT INTO items (id, org, i4) VALUES (41, 'acme', %s)", ["no number"])
            except psycopg.Error as error:
                explain(f, error)
            f.show(conn.info.transaction_status.name)
            conn.execute("SELECT t FROM items")
    except psycopg.Error as error:
        explain(f, error)
    with conn.transaction():
        conn.execute("INSERT INTO items (id, org, t) VALUES (42, 'acme', 'secret kept')")
        try:
            with conn.transaction():
                conn.execute("UPDATE items SET t = 'secret undone' WHERE id = 42 AND org = 'acme'")
                raise psycopg.Rollback
        except psycopg.Rollback:
            pass
    f.rows(conn.execute("SELECT id, t FROM items WHERE id BETWEEN 40 AND 42"))

with Feature("errors") as f:
    for statement, parameters in [
        ("SELEC 1", None),
        ("SELECT nothing FROM items WHERE id = %s", [1]),
        ("INSERT INTO items (id, org, t) VALUES (%s, 'acme', 'secret twice')", [1]),
        ("INSERT INTO items (id, org, t) VALUES (50, %s, NULL)", [None]),
        ("INSERT INTO items (id, org, uid) VALUES (51, 'acme', %s)", ["no uuid"]),
        ("INSERT INTO items (id, org, vc) VALUES (51, 'acme', %s)", ["much longer than twenty characters"]),
        ("INSERT INTO items (id, org, day) VALUES (51, 'acme', %s)", ["2024-02-30"]),
        ("SELECT 1/0", None),
    ]:
        try:
            conn.execute(statement, parameters)
            f.show("no error")
        except psycopg.Error as error:
            explain(f, error)

with Feature("cancel") as f:
    timer = threading.Timer(0.5, conn.cancel)
    timer.start()
    try:
        conn.execute("SELECT pg_sleep(30)")
    except psycopg.Error as error:
        explain(f, error)
    timer.join()
    f.rows(conn.execute("SELECT t FROM items WHERE id = 42"))

with Feature("notify") as f:
    conn.execute("LISTEN channel")
    with connect() as other:
        other.execute("NOTIFY channel, 'hello'")
    for notification in conn.notifies():
        f.show(notification.channel, notification.payload)
        break

with Feature("notices") as f:
    conn.add_notice_handler(lambda diag: f.show(diag.severity, diag.sqlstate, diag.message_primary))
    conn.execute("DO $$ BEGIN RAISE NOTICE 'from the server'; END $$")
    conn.execute("DROP TABLE IF EXISTS not_there")

with Feature("big values") as f:
    conn.execute("INSERT INTO items (id, org, t, raw) VALUES (60, 'acme', %s, %s)", ["secret" * 500000, b"secret\x00" * 300000])
    for binary in False, True:
        f.rows(conn.execute("SELECT t, raw FROM items WHERE id = 60", binary=binary))
