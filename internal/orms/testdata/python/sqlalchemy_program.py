"""SQLAlchemy's features, its core's and its ORM's, with Alembic, on psycopg2 or,
with the first argument asyncpg, on that: see doc.go two folders up."""

import asyncio
import datetime
import decimal
import os
import sys
import uuid
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../clients/testdata/python"))
from features import UTC, Feature  # noqa: E402

import sqlalchemy as sa  # noqa: E402
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code  # noqa: E402
from alembic.migration import MigrationContext  # noqa: E402
from alembic.operations import Operations  # noqa: E402
from sqlalchemy import orm  # noqa: E402
from sqlalchemy.dialects import postgresql as pg  # noqa: E402
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine  # noqa: E402

DRIVER, DSN = sys.argv[1:]
Base = orm.declarative_base()


class Author(Base):
    __tablename__ = "authors"
    id = sa.Column(sa.Integer, primary_key=True)
    org = sa.Column(sa.String(50), nullable=False, default="acme")
    name = sa.Column(sa.String(100), nullable=False)
    bio = sa.Column(sa.Text)
    notes = orm.relationship("Note", back_populates="author", order_by="Note.id", cascade="all, delete-orphan")


class Note(Base):
    __tablename__ = "notes"
    id = sa.Column(sa.BigInteger, primary_key=True)
    org = sa.Column(sa.String(50), nullable=False, default="acme")
    color = sa.Column(sa.String(10), nullable=False, server_default="red")
    author_id = sa.Column(sa.ForeignKey("authors.id"), nullable=False, index=True)
    slug = sa.Column(sa.String(50), nullable=False, unique=True)
    stars = sa.Column(sa.Integer, nullable=False, default=0)
    body = sa.Column(sa.Text, nullable=False, comment="what it says")
    doc = sa.Column(pg.JSONB(none_as_null=True))
    raw = sa.Column(sa.LargeBinary)
    code = sa.Column(sa.String(20))
    at = sa.Column(sa.DateTime(timezone=True))
    day = sa.Column(sa.Date)
    n = sa.Column(sa.Integer)
    big = sa.Column(sa.BigInteger)
    f = sa.Column(sa.Float(53))
    amount = sa.Column(sa.Numeric(10, 2))
    uid = sa.Column(pg.UUID(as_uuid=True))
    ok = sa.Column(sa.Boolean)
    author = orm.relationship(Author, back_populates="notes")


SEALED = ["body", "doc", "raw", "code", "at", "day", "n", "big", "f", "amount", "uid", "ok"]


def values(n):
    return dict(
        body=f"secret body {n}: Grüße, 'quoted' 100% \\ back :x", doc={"k": f"secret {n}", "list": [1, 2.5, None], "deep": {"a": "é"}},
        raw=b"\x00\xffsecret" + bytes([n]), code=f"secret{n}", at=datetime.datetime(2024, 2, 29, 12, 34, 56, 789012, tzinfo=UTC),
        day=datetime.date(2024, 2, n % 28 + 1), n=n - 5, big=n * 2**40, f=n / 3, amount=decimal.Decimal(n) / 4,
        uid=uuid.UUID(int=n), ok=n % 2 == 0)


def row(n, **more):
    return {"author_id": 1, "slug": f"note-{n}", "stars": n, **values(n), **more}


def show(f, notes):
    for n in notes:
        f.show(n.id, n.slug, n.stars, *[getattr(n, name) for name in SEALED])


def play(session):
    def begins(name):
        session.rollback()  # should the feature before it have failed
        session.execute(sa.text("SELECT 'playing: " + name + "'"))

    Feature.begins = begins

    with Feature("create schema") as f:
        Base.metadata.create_all(session.connection())
        Base.metadata.create_all(session.connection())  # finds all of them
        session.commit()
        f.show("made")

    def migrations():
        return MigrationContext.configure(session.connection(), opts={"compare_type": True, "compare_server_default": True})

    with Feature("no drift") as f:
        f.show(compare_metadata(migrations(), Base.metadata))

    with Feature("introspection") as f:
        connection = session.connection()
        inspector = sa.inspect(connection)
        for table in sorted(inspector.get_table_names()):
            for column in inspector.get_columns(table):
                f.show(table, *[f"{k}={v}" for k, v in sorted(column.items())], repr(column["type"]))
            f.show(inspector.get_pk_constraint(table), inspector.get_foreign_keys(table), inspector.get_indexes(table),
                   inspector.get_unique_constraints(table), inspector.get_check_constraints(table), inspector.get_table_comment(table))
        f.show(inspector.get_view_names(), inspector.get_schema_names(), inspector.has_table("notes"), inspector.get_sequence_names())
        f.show(sorted((e["name"], e["schema"]) for e in inspector.get_enums()))
        reflected = sa.MetaData()
        reflected.reflect(connection)
        for table in reflected.sorted_tables:
            f.show(str(sa.schema.CreateTable(table).compile(dialect=connection.dialect)))
        f.show(render_python_code(produce_migrations(migrations(), sa.MetaData()).downgrade_ops))

    with Feature("create") as f:
        ada = Author(name="Ada", bio="secret bio of Ada")
        session.add(ada)
        session.flush()
        for n in 1, 2, 3:
            session.add(Note(author=ada, **{k: v for k, v in row(n).items() if k != "author_id"}))
            session.flush()
        bo = Author(name="Bo", notes=[Note(slug="empty", body=""), Note(slug="more", body="secret more", doc=["secret"])])
        session.add(bo)
        session.commit()
        f.show([(n.id, n.org, n.body) for n in bo.notes])
        show(f, session.scalars(sa.select(Note).order_by(Note.id)))

    with Feature("bulk create") as f:
        session.add_all([Note(**row(n)) for n in range(10, 14)])
        session.commit()
        session.bulk_insert_mappings(Note, [row(n) for n in range(14, 17)])
        session.bulk_save_objects([Note(**row(n)) for n in range(17, 19)], return_defaults=True)
        session.execute(sa.insert(Note), [row(n, doc=None) for n in range(19, 21)])
        f.show(session.execute(sa.insert(Note).values([row(n) for n in range(21, 24)]).returning(Note.id, Note.body, Note.doc)).all())
        ignoring = pg.insert(Note).on_conflict_do_nothing()
        session.execute(ignoring, [row(10, body="secret ignored"), row(24)])
        session.commit()
        show(f, session.scalars(sa.select(Note).where(Note.stars >= 10).order_by(Note.id)))

    with Feature("upsert") as f:
        new = pg.insert(Note).values([row(10, body="secret upserted"), row(25)])
        upsert = new.on_conflict_do_update(index_elements=["slug"], set_={"body": new.excluded.body, "doc": new.excluded.doc, "stars": Note.stars + 100})
        f.show(session.execute(upsert.returning(Note.id, Note.body, Note.doc)).all())
        f.show(session.execute(pg.insert(Note).values(row(11)).on_conflict_do_update(
            constraint="notes_slug_key", set_={"body": "secret set", "day": None}, where=Note.stars < 50).returning(Note.id)).all())
        session.commit()
        show(f, session.scalars(sa.select(Note).where(Note.slug.in_(["note-10", "note-11", "note-25"])).order_by(Note.id).execution_options(populate_existing=True)))

    with Feature("read") as f:
        one = session.get(Note, 1)
        show(f, [one])
        f.show(session.execute(sa.select(Note.id, Note.body, Note.doc).where(Note.stars.in_([1, 2])).order_by(Note.id)).all())
        f.show(session.scalars(sa.select(Note.body).order_by(Note.id).limit(3).offset(1)).all())
        f.show([n.body for n in session.scalars(sa.select(Note).options(orm.load_only(Note.body)).order_by(Note.id).limit(2))])
        session.expire_all()
        f.show(session.scalars(sa.select(Note).options(orm.defer(Note.body)).order_by(Note.id).limit(1)).one().body)
        session.refresh(one, ["doc"])
        f.show(one.doc, session.scalar(sa.select(sa.func.count(Note.body))), session.scalar(sa.select(sa.func.count()).select_from(Note).where(Note.doc.is_(None))))
        f.show(session.execute(sa.select(sa.func.max(Note.stars), sa.func.count(Note.id).filter(Note.code.isnot(None)))).all())
        f.show(session.scalar(sa.select(sa.exists().where(Note.stars == 1))), session.query(Note).filter_by(stars=1).one().body, session.query(Note).count())
        both = sa.union_all(sa.select(Note.id, Note.body).where(Note.stars == 1), sa.select(Note.id, Note.body).where(Note.stars == 2))
        f.show(session.execute(both).all())
        inner = sa.select(Note.author_id, Note.body.label("text"), sa.func.row_number().over(partition_by=Note.author_id, order_by=Note.id).label("nr")).cte("numbered")
        f.show(session.execute(sa.select(inner.c.text, inner.c.nr).where(inner.c.nr <= 2).order_by(inner.c.author_id, inner.c.nr)).all())
        f.show(session.execute(sa.select(Note.stars, Note.body).distinct(Note.stars).order_by(Note.stars, Note.id).limit(3)).all())
        f.show(session.execute(sa.select(sa.literal("secret" [:0]), Note.slug + "!", Note.stars * 2, Note.body).where(Note.stars == 1)).all())

    with Feature("relations") as f:
        session.expire_all()
        for option in orm.joinedload, orm.selectinload, orm.subqueryload, orm.lazyload:
            authors = session.scalars(sa.select(Author).options(option(Author.notes)).order_by(Author.id).execution_options(populate_existing=True)).unique().all()
            f.show([(a.name, a.bio, [n.body for n in a.notes]) for a in authors] if option is not orm.lazyload or DRIVER != "asyncpg" else len(authors))
        f.show(session.execute(sa.select(Author.name, Author.bio, Note.body).join(Author.notes).where(Note.stars < 3).order_by(Note.id)).all())
        f.show([(n.author.bio, n.body) for n in session.scalars(sa.select(Note).join(Note.author).options(orm.contains_eager(Note.author)).where(Author.name == "Bo").order_by(Note.id))])
        newest = sa.select(Note.body).where(Note.author_id == Author.id).order_by(Note.id.desc()).limit(1).scalar_subquery()
        f.show(session.execute(sa.select(Author.name, newest).order_by(Author.id)).all())
        lateral = sa.select(Note.doc, Note.slug).where(Note.author_id == Author.id).order_by(Note.id).limit(1).lateral("first")
        f.show(session.execute(sa.select(Author.bio, lateral).outerjoin(lateral, sa.true()).order_by(Author.id)).all())

    with Feature("json paths") as f:
        f.show(session.execute(sa.select(Note.doc["k"], Note.doc["k"].astext, Note.doc["deep"]["a"].astext, Note.doc[("list", "1")], Note.doc["list"][0].astext).where(Note.stars < 3).order_by(Note.id)).all())

    with Feature("update") as f:
        one = session.get(Note, 1)
        one.body, one.doc, one.amount = "secret saved", {"k": "secret saved"}, decimal.Decimal("99.50")
        session.commit()
        one.code = None
        session.commit()
        show(f, [one])
        f.show(session.execute(sa.update(Note).where(Note.stars == 2).values(body="secret updated", doc={"k": ["secret"]}, raw=None, stars=Note.stars + 0)).rowcount)
        f.show(session.execute(sa.update(Note).where(Note.stars == 3).values(body="secret returned", at=None).returning(Note.id, Note.body)).all())
        f.show(session.execute(sa.update(Note).values(ok=None, n=7).where(Note.author_id == Author.id, Author.name == "Bo").execution_options(synchronize_session=False)).rowcount)
        merged = session.merge(Note(id=1, body="secret merged", stars=1))
        f.show(merged.body, merged.doc)
        session.commit()
        show(f, session.scalars(sa.select(Note).where(Note.stars <= 3).order_by(Note.id).execution_options(populate_existing=True)))

    with Feature("update or create") as f:
        session.merge(Note(**row(40)))
        session.commit()
        session.merge(Note(id=session.scalar(sa.select(Note.id).where(Note.stars == 40)), body="secret merged again"))
        session.commit()
        show(f, session.scalars(sa.select(Note).where(Note.stars == 40)))

    with Feature("bulk update") as f:
        ids = session.scalars(sa.select(Note.id).where(Note.stars.between(12, 14)).order_by(Note.id)).all()
        session.bulk_update_mappings(Note, [{"id": i, "body": f"secret many {i}", "doc": {"k": f"secret {i}"}, "at": None} for i in ids])
        many = sa.update(Note.__table__).where(Note.id == sa.bindparam("b_id")).values(code=sa.bindparam("b_code"), day=sa.bindparam("b_day"))
        session.execute(many, [{"b_id": i, "b_code": f"secret{i}", "b_day": datetime.date(2000, 1, 1)} for i in ids])
        for n in session.scalars(sa.select(Note).where(Note.id.in_(ids)).order_by(Note.id).execution_options(populate_existing=True)):
            n.raw = b"secret" + n.slug.encode()
        session.commit()
        show(f, session.scalars(sa.select(Note).where(Note.id.in_(ids)).order_by(Note.id)))

    with Feature("streaming") as f:
        streamed = sa.select(Note.slug, Note.body, Note.doc).order_by(Note.id)
        f.show(session.execute(streamed.execution_options(stream_results=True, max_row_buffer=3)).all())
        f.show([len(part) for part in session.execute(streamed.execution_options(yield_per=7)).partitions()])

    with Feature("transactions") as f:
        session.add(Note(**row(50)))
        session.flush()
        session.rollback()
        session.add(Note(**row(51)))
        session.flush()
        try:
            with session.begin_nested():
                session.execute(sa.insert(Note), [row(52)])
                session.execute(sa.insert(Note), [row(51)])
        except sa.exc.IntegrityError as error:
            f.show(" ".join(str(error.orig).split()))
        f.show([n.body for n in session.scalars(sa.select(Note).where(Note.stars.between(51, 52)).with_for_update())])
        session.commit()
        show(f, session.scalars(sa.select(Note).where(Note.stars.between(50, 59)).order_by(Note.id)))

    with Feature("raw SQL") as f:
        f.show(session.execute(sa.text("SELECT id, body, doc, day FROM notes WHERE stars = :stars"), {"stars": 1}).all())
        session.execute(sa.text("INSERT INTO notes (org, author_id, slug, stars, body, day) VALUES ('acme', :author, :slug, 60, :body, :day)"),
                        [{"author": 1, "slug": f"raw-{n}", "body": f"secret raw {n}", "day": datetime.date(2024, 1, 1)} for n in range(3)])
        show(f, session.scalars(sa.select(Note).from_statement(sa.text("SELECT * FROM notes WHERE stars = 60 ORDER BY id"))))
        f.show(session.execute(sa.text("SELECT n.*, a.bio FROM notes n JOIN authors a ON a.id = n.author_id WHERE n.stars = 60 ORDER BY n.id")).all())
        session.commit()

    with Feature("delete") as f:
        f.show(sorted(session.scalars(sa.delete(Note).where(Note.stars == 60).returning(Note.body)).all()))
        session.delete(session.scalars(sa.select(Author).where(Author.name == "Bo").options(orm.selectinload(Author.notes))).one())
        session.commit()
        f.show(session.query(Author).count(), session.query(Note).count())

    with Feature("alter schema") as f:
        operations = Operations(MigrationContext.configure(session.connection()))
        operations.add_column("authors", sa.Column("motto", sa.Text))
        operations.add_column("authors", sa.Column("age", sa.Integer, nullable=False, server_default="7"))
        operations.alter_column("authors", "age", new_column_name="years", server_default=None)
        operations.create_index("authors_years", "authors", ["years"])
        session.execute(sa.text("UPDATE authors SET motto = :motto WHERE id = 1"), {"motto": "secret motto"})
        f.show(session.execute(sa.text("SELECT * FROM authors ORDER BY id")).all())
        f.show([c["name"] for c in sa.inspect(session.connection()).get_columns("authors")])
        operations.drop_column("authors", "motto")
        operations.add_column("authors", sa.Column("motto", sa.Text))
        session.commit()

    with Feature("searches") as f:
        for label, search in {
            "equal": sa.select(Note).where(Note.body == "secret"), "like": sa.select(Note).where(Note.body.like("secret%")),
            "order": sa.select(Note).order_by(Note.code), "in": sa.select(Note.id).where(Note.code.in_(["secret1", "secret2"])),
            "json": sa.select(Note.id).where(Note.doc["k"].astext == "secret"), "contains": sa.select(Note.id).where(Note.doc.contains({"k": 1})),
            "between": sa.select(Note.id).where(Note.n.between(1, 2)), "group": sa.select(Note.code, sa.func.count()).group_by(Note.code),
            "distinct": sa.select(Note.body).distinct(), "max": sa.select(sa.func.max(Note.n)), "lower": sa.select(sa.func.lower(Author.bio)),
            "union": sa.union(sa.select(Note.body), sa.select(Author.bio)), "join": sa.select(Note.id).join(Author, Author.bio == Note.body),
            "update": sa.update(Note).where(Note.code == "secret").values(stars=1).execution_options(synchronize_session=False),
            "delete": sa.delete(Note).where(Note.body == "secret").execution_options(synchronize_session=False),
        }.items():
            try:
                result = session.execute(search)
                f.show(label, "found", result.rowcount if search.is_dml else len(result.all()))
            except sa.exc.DBAPIError as error:
                f.show(label, "refused", error.orig.pgcode)
            session.rollback()


async def play_async(engine):
    async with AsyncSession(engine, expire_on_commit=False) as session:
        await session.run_sync(play)
    await engine.dispose()


Feature("version").show(sa.__version__)
if DRIVER == "asyncpg":
    url = urlsplit(DSN)
    setting, value = parse_qs(url.query)["options"][0].removeprefix("-c ").split("=")
    engine = create_async_engine(url._replace(scheme="postgresql+asyncpg", query="").geturl(), connect_args={"server_settings": {setting: value}})
    asyncio.run(play_async(engine))
else:
    engine = sa.create_engine(DSN.replace("postgres:", "postgresql+psycopg2:", 1), future=True)
    with orm.Session(engine, future=True) as session:
        play(session)
