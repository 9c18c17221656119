"""Django's features, on psycopg2: see doc.go two folders up."""

import datetime
import decimal
import io
import os
import sys
import tempfile
import uuid
from urllib.parse import parse_qs, unquote, urlparse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../clients/testdata/python"))
from features import UTC, Feature  # noqa: E402

import django  # noqa: E402
from django.conf import settings  # noqa: E402

url = urlparse(sys.argv[1])
made = tempfile.TemporaryDirectory()
sys.path.insert(0, made.name)
os.makedirs(os.path.join(made.name, "migrations"))
open(os.path.join(made.name, "migrations", "__init__.py"), "w").close()
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "library"],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username,
        "PASSWORD": unquote(url.password or ""), "HOST": url.hostname, "PORT": url.port,
        "OPTIONS": {"options": parse_qs(url.query)["options"][0]},
    }},
    MIGRATION_MODULES={"library": "migrations"}, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True, TIME_ZONE="UTC", SECRET_KEY="-",
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, connection, models, transaction  # noqa: E402
from django.db.models import Count, Exists, F, Max, OuterRef, Prefetch, Q, Subquery, Sum, Value  # noqa: E402
from django.db.models.functions import Coalesce, Concat, Lower  # noqa: E402
from django.db.utils import NotSupportedError  # noqa: E402

from library.models import SEALED, Author, Note  # noqa: E402


def begins(name):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'playing: " + name + "'")


Feature.begins = begins


def command(f, name, *args, **options):
    out = io.StringIO()
    try:
        call_command(name, *args, stdout=out, stderr=out, no_color=True, **options)
    except SystemExit as left:
        f.show("exit", left.code)
    for line in out.getvalue().splitlines():
        f.show(line.replace(made.name, ""))


def values(n):
    return dict(
        body=f"secret body {n}: Grüße, 'quoted' 100% \\ back", doc={"k": f"secret {n}", "list": [1, 2.5, None], "deep": {"a": "é"}},
        raw=b"\x00\xffsecret" + bytes([n]), code=f"secret{n}", at=datetime.datetime(2024, 2, 29, 12, 34, 56, 789012, tzinfo=UTC),
        day=datetime.date(2024, 2, n % 28 + 1), n=n - 5, big=n * 2**40, f=n / 3, amount=decimal.Decimal(n) / 4,
        uid=uuid.UUID(int=n), ok=n % 2 == 0)


def note(n, **more):
    return Note(**{"author": author, "slug": f"note-{n}", "stars": n, **values(n), **more})


def show(f, queryset):
    for n in queryset:
        f.show(n.id, n.slug, n.stars, *[getattr(n, name) for name in SEALED])


Feature("version").show(django.get_version())

with Feature("create schema") as f:
    command(f, "makemigrations", "library", verbosity=1)
    command(f, "migrate", verbosity=1)
    command(f, "sqlmigrate", "library", "0001")

with Feature("no drift") as f:
    command(f, "makemigrations", "--check", "--dry-run")
    command(f, "migrate", "--check")
    command(f, "showmigrations")

with Feature("introspection") as f:
    command(f, "inspectdb", "authors", "notes")

with Feature("create") as f:
    author = Author(name="Ada", bio="secret bio of Ada")
    author.save()
    other = Author.objects.create(name="Bo")
    for n in range(1, 4):
        note(n).save(force_insert=n == 2)
    Note.objects.create(author=other, slug="empty", body="")
    made_note, created = Note.objects.get_or_create(slug="got", defaults={"author": author, "body": "secret got"})
    f.show(made_note.id, created)
    f.show(Note.objects.get_or_create(slug="got", defaults={"author": author, "body": "secret unused"})[1])
    show(f, Note.objects.all())

with Feature("bulk create") as f:
    made_notes = Note.objects.bulk_create([note(n) for n in range(10, 18)])
    f.show([n.id for n in made_notes])
    made_notes = Note.objects.bulk_create([note(n, doc=None, raw=None) for n in range(18, 24)], batch_size=4)
    Note.objects.bulk_create([note(10, body="secret ignored"), note(24)], ignore_conflicts=True)
    show(f, Note.objects.filter(stars__gte=10))

with Feature("read") as f:
    one = Note.objects.get(slug="note-1")
    show(f, [one])
    f.rows(Note.objects.filter(stars__in=[1, 2]).values("id", "body", "doc").order_by("id").values_list())
    f.show(list(Note.objects.filter(stars__lt=3).values("id", "body", "at")))
    f.show(list(Note.objects.values_list("body", flat=True)[:3]))
    f.show([n.body for n in Note.objects.only("body")[:2]], [n.doc for n in Note.objects.defer("body", "raw")[:2]])
    lazy = Note.objects.only("id").get(pk=one.pk)
    f.show(lazy.body)
    lazy.refresh_from_db(fields=["doc"])
    f.show(lazy.doc, Note.objects.first().body, Note.objects.last().body, Note.objects.filter(doc__isnull=True).count())
    f.show(Note.objects.exclude(body__isnull=True).count(), Note.objects.filter(stars=1).exists())
    f.show(sorted((k, v.body) for k, v in Note.objects.in_bulk([one.pk, one.pk + 1]).items()))
    f.show(Note.objects.aggregate(Count("body"), Count("id"), Max("stars")))
    f.show(list(Note.objects.order_by("-stars").reverse().distinct("stars").values_list("stars", "code").order_by("stars")[:2]))
    f.show(list(Note.objects.filter(stars=1).union(Note.objects.filter(stars=2), all=True).values_list("id", "body")))
    f.show(list(Note.objects.annotate(twice=F("stars") * 2, title=Lower(Concat("slug", Value("!")))).values_list("twice", "title", "body")[:2]))

with Feature("relations") as f:
    f.show([(n.author.name, n.author.bio, n.body) for n in Note.objects.select_related("author").filter(stars__lte=2)])
    f.show([(a.name, [n.body for n in a.notes.all()]) for a in Author.objects.prefetch_related("notes").order_by("id")])
    few = Prefetch("notes", queryset=Note.objects.only("author_id", "code").filter(stars__lt=3))
    f.show([(a.bio, [n.code for n in a.notes.all()]) for a in Author.objects.prefetch_related(few).order_by("id")])
    f.show([n.slug for n in Note.objects.filter(author__name="Bo")], list(Author.objects.filter(notes__stars=1).values_list("bio", "notes__body")))
    newest = Note.objects.filter(author=OuterRef("pk")).order_by("-id")
    f.show(list(Author.objects.annotate(latest=Subquery(newest.values("stars")[:1]), some=Exists(newest)).order_by("id").values_list("name", "bio", "latest", "some")))
    f.show(list(Author.objects.values("name").annotate(count=Count("notes"), stars=Sum("notes__stars")).order_by("name")))

with Feature("json paths") as f:
    f.show(list(Note.objects.filter(stars__lt=3).values("doc__k", "doc__deep__a", "doc__list__1")))
    f.show(list(Note.objects.filter(stars__lt=3).values_list("doc__deep", flat=True)))

with Feature("update") as f:
    one.body = "secret saved"
    one.doc["k"] = "saved"
    one.save()
    one.code = "secretonly"
    one.save(update_fields=["code", "stars"])
    f.show(Note.objects.filter(stars=2).update(body="secret updated", doc={"k": ["secret"]}, raw=None, stars=F("stars") + 0))
    f.show(Note.objects.filter(stars__gt=20).update(stars=F("stars") + 100))
    f.show(Note.objects.filter(author__name="Bo").update(code=None, at=datetime.datetime(2000, 1, 1, tzinfo=UTC)))
    Note.objects.select_for_update().filter(pk=one.pk).update(ok=None)
    show(f, Note.objects.filter(Q(stars__lte=2) | Q(stars__gt=100)))

with Feature("update or create") as f:
    for stars in 1, 2:
        n, created = Note.objects.update_or_create(slug="uoc", defaults={"author": author, "body": f"secret uoc {stars}", "stars": stars, "doc": {"k": f"secret {stars}"}})
        f.show(n.id, created, n.body)
    show(f, Note.objects.filter(slug="uoc"))

with Feature("bulk update") as f:
    many = list(Note.objects.filter(stars__range=(10, 13)))
    for n in many:
        n.body, n.doc, n.at, n.amount, n.ok = f"secret many {n.stars}", {"k": f"secret {n.stars}"}, None, decimal.Decimal("1.10"), None
    many[0].body, many[1].doc, many[1].raw, many[2].uid = "", None, None, None
    f.show(Note.objects.bulk_update(many, ["body", "doc", "raw", "at", "day", "amount", "ok", "uid", "n", "f", "stars"]))
    show(f, Note.objects.filter(stars__range=(10, 13)))

with Feature("streaming") as f:
    f.show([n.body for n in Note.objects.iterator(chunk_size=3)])
    with transaction.atomic():
        f.show(list(Note.objects.values_list("slug", "doc").iterator(chunk_size=5)))

with Feature("transactions") as f:
    try:
        with transaction.atomic():
            note(50).save()
            raise KeyError
    except KeyError:
        f.show(Note.objects.filter(stars=50).count())
    with transaction.atomic():
        note(51).save()
        try:
            with transaction.atomic():
                note(52).save()
                note(51).save(force_insert=True)
        except IntegrityError as error:
            f.show(str(error))
        f.show([n.body for n in Note.objects.select_for_update().filter(stars__range=(51, 52))])
    show(f, Note.objects.filter(stars__gte=50, stars__lt=60))

with Feature("raw SQL") as f:
    f.show([(n.id, n.body, n.doc) for n in Note.objects.raw("SELECT id, body, doc FROM notes WHERE stars = %s", [1])])
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO notes (org, author_id, slug, stars, body, day) VALUES (%s, %s, %s, 60, %s, %s) RETURNING id, body",
                       ["acme", author.id, "raw", "secret raw", datetime.date(2024, 1, 1)])
        f.rows(cursor.fetchall())
        cursor.executemany("INSERT INTO notes (org, author_id, slug, stars, body) VALUES (%s, %s, %s, 60, %s)",
                           [["acme", author.id, f"raw-{n}", f"secret raw {n}"] for n in range(3)])
        cursor.execute("SELECT n.*, a.bio FROM notes n JOIN authors a ON a.id = n.author_id WHERE n.stars = 60 ORDER BY n.id")
        f.rows(cursor.fetchall())

with Feature("delete") as f:
    f.show(Note.objects.filter(stars=60).delete(), Note.objects.get(slug="note-3").delete())
    gone = Author.objects.create(name="gone", bio="secret gone")
    note(70, author=gone).save()
    f.show(gone.delete())

with Feature("alter schema") as f:
    Author.add_to_class("motto", models.TextField(null=True))
    Author.add_to_class("age", models.IntegerField(default=7))
    command(f, "makemigrations", "library", "--name", "more", verbosity=1)
    command(f, "migrate", verbosity=1)
    command(f, "sqlmigrate", "library", "0002")
    Author.objects.create(name="Cy", bio="secret bio of Cy", motto="secret motto")
    f.show(list(Author.objects.order_by("id").values_list("name", "bio", "motto", "age")))
    command(f, "makemigrations", "--check", "--dry-run")
    command(f, "migrate", "library", "0001", verbosity=1)
    f.show(sorted(c.name for c in connection.introspection.get_table_description(connection.cursor(), "authors")))
    command(f, "migrate", "library", verbosity=1)

with Feature("other apps") as f:
    # What Django itself and its admin send: users, permissions, sessions.
    user = User.objects.create_user("ada", "ada@example.com", "password")
    session = SessionStore()
    session["user"] = user.pk
    session.save()
    f.show(SessionStore(session.session_key).get("user") == user.pk, user.has_perm("library.change_note"), user.groups.count())
    changes = Note.objects.select_related("author").filter(Q(slug__icontains="note") | Q(author__name__icontains="ad")).order_by("-stars", "-id")
    f.show(changes.count(), [(n.author.name, n.body) for n in changes[:5]])

with Feature("searches") as f:
    for label, search in {
        "filter": lambda: Note.objects.filter(body="secret"), "icontains": lambda: Note.objects.filter(body__icontains="secret"),
        "order": lambda: Note.objects.order_by("code"), "in": lambda: Note.objects.filter(code__in=["secret1", "secret2"]),
        "json": lambda: Note.objects.filter(doc__k=1), "contains": lambda: Note.objects.filter(doc__contains={"k": 1}),
        "range": lambda: Note.objects.filter(n__gte=1), "group": lambda: Note.objects.values("code").annotate(c=Count("id")).order_by(),
        "distinct": lambda: Note.objects.order_by().values("body").distinct(), "aggregate": lambda: [Note.objects.aggregate(Max("n"))],
        "concat": lambda: Note.objects.annotate(c=Concat("slug", "code")), "upper": lambda: Author.objects.filter(bio__startswith="secret"),
    }.items():
        try:
            f.show(label, "found", len(list(search())))
        except NotSupportedError as error:
            f.show(label, "refused", error.__cause__.pgcode)
