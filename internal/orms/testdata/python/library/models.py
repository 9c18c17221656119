"""Django's models of the tables that all programs work on."""

import decimal

from django.db import models


class Author(models.Model):
    org = models.CharField(max_length=50, default="acme")
    name = models.CharField(max_length=100)
    bio = models.TextField(null=True, blank=True)

    class Meta:
        db_table = "authors"

    def __str__(self):
        return self.name


class Note(models.Model):
    org = models.CharField(max_length=50, default="acme")
    author = models.ForeignKey(Author, models.CASCADE, related_name="notes")
    slug = models.CharField(max_length=50, unique=True)
    stars = models.IntegerField(default=0)
    body = models.TextField()
    doc = models.JSONField(null=True)
    raw = models.BinaryField(null=True)
    code = models.CharField(max_length=20, null=True)
    at = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    n = models.IntegerField(null=True)
    big = models.BigIntegerField(null=True)
    f = models.FloatField(null=True)
    amount = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    uid = models.UUIDField(null=True)
    ok = models.BooleanField(null=True)

    class Meta:
        db_table = "notes"
        ordering = ["id"]


SEALED = ["body", "doc", "raw", "code", "at", "day", "n", "big", "f", "amount", "uid", "ok"]
ONE = decimal.Decimal("12.34")
