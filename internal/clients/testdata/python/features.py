"""What the programs of the Python clients share: see doc.go two folders up."""

import datetime
import decimal
import hashlib
import uuid

UTC = datetime.timezone.utc

# One value for each column of items, in the table's order.
VALUES = {
    "t": "secret text: Grüße, 'quoted' \\ back",
    "vc": "secret varchar",
    "ch": "sec",
    "j": '{"secret": [1, 2.50]}',
    "jb": '{"secret": "json", "a": 1}',
    "raw": b"\x00\xffsecret bytes\\",
    "ok": True,
    "i2": -32768,
    "i4": 2147483647,
    "i8": -9223372036854775808,
    "f4": 1.5,
    "f8": 0.1,
    "amount": decimal.Decimal("12345678901234567890.0123456789"),
    "uid": uuid.UUID("0f0e0d0c-0b0a-0908-0706-050403020100"),
    "day": datetime.date(2024, 2, 29),
    "ts": datetime.datetime(2024, 2, 29, 12, 34, 56, 789012),
    "tz": datetime.datetime(2024, 2, 29, 12, 34, 56, 789012, tzinfo=UTC),
}
COLUMNS = ", ".join(VALUES)


def show(value):
    """The value as text that says its type, and is the same at every run."""
    if isinstance(value, (memoryview, bytearray)):
        value = bytes(value)
    if isinstance(value, datetime.datetime) and value.tzinfo:
        value = value.astimezone(UTC)
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(show(v) for v in value) + ")"
    text = repr(value)
    if len(text) > 200:
        data = value.encode() if isinstance(value, str) else value
        text = f"{len(value)} with digest {hashlib.sha256(data).hexdigest()[:16]}"
    return f"{type(value).__name__} {text}"


class Feature:
    """Prints what a feature's code shows, line by line, and FAILED if it raises."""

    begins = None  # called with the name of each feature, when a program needs it

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        if Feature.begins:
            Feature.begins(self.name)
        return self

    def show(self, *values):
        print(self.name, " ".join(v if isinstance(v, str) else show(v) for v in values), sep="\t", flush=True)

    def rows(self, rows):
        for row in rows:
            self.show(tuple(row))

    def __exit__(self, kind, error, trace):
        if isinstance(error, Exception):
            text = " ".join(str(error).split())
            print(self.name, f"FAILED: {kind.__name__}: {text}", sep="\t", flush=True)
            return True
        return False
