#!/usr/bin/env python3
"""rec1 of the rows of a table, written from docs/rec1.md and nothing else.

    rec1.py FILE.parquet|FILE.arrow|FILE.jsonl|FILE.csv

prints one digest for each row, and `-` for a row that has none.
"""

import hashlib
import json
import re
import sys

import cbor2
import pyarrow as pa
import pyarrow.parquet
from cbor2 import CBORTag

DOMAIN, RAW_DOMAIN = b"pv-rec1\0", b"pv-rec1-raw\0"
CONTENT, TIMESTAMP, DATE, DECIMAL, TIME, DURATION, INTERVAL = range(80001, 80008)
NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class NoIdentity(Exception):
    """A name or a key stands twice."""


class Entries(list):
    """A map whose keys are no texts: pairs of a key and a value."""


def form(value, in_key=False):
    """A value as CBOR has it: contents as their digests, nothing that is missing in a map."""
    if isinstance(value, (str, bytes)):
        if in_key:
            return value
        return CBORTag(CONTENT, hashlib.sha256(value.encode() if isinstance(value, str) else value).digest())
    if isinstance(value, Entries):
        keys = [encode(form(key, True)) for key, _ in value]
        if len(set(keys)) < len(keys):
            raise NoIdentity
        in_order = [value[at] for at in sorted(range(len(keys)), key=keys.__getitem__)]
        return [[form(key, True), form(item, in_key)] for key, item in in_order if item is not None]
    if isinstance(value, dict):
        return {key: form(item, in_key) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [form(item, in_key) for item in value]
    return value


def encode(value):
    return cbor2.dumps(value, canonical=True)


def rec1(record):
    return hashlib.sha256(DOMAIN + encode(form(record))).hexdigest()


def decimal(unscaled, scale):
    while unscaled and unscaled % 10 == 0:
        unscaled, scale = unscaled // 10, scale - 1
    return CBORTag(DECIMAL, [unscaled, scale if unscaled else 0])


def unique(pairs):
    named = {}
    for key, value in pairs:
        if key in named:
            raise NoIdentity
        named[key] = value
    return named


def of_arrow(scalar):
    """The value of a pyarrow scalar."""
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_dictionary(kind):
        return of_arrow(scalar.value)
    if pa.types.is_struct(kind):
        return unique((name, of_arrow(item)) for name, item in scalar.items())
    if pa.types.is_map(kind):
        pairs = [(of_arrow(entry["key"]), of_arrow(entry["value"])) for entry in scalar.values]
        text = pa.types.is_string(kind.key_type) or pa.types.is_large_string(kind.key_type)
        return unique(pairs) if text else Entries(pairs)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [of_arrow(item) for item in scalar.values]
    if pa.types.is_timestamp(kind):
        return CBORTag(TIMESTAMP, scalar.value * NANOSECONDS[kind.unit])
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return CBORTag(TIME if pa.types.is_time(kind) else DURATION, scalar.value * NANOSECONDS[kind.unit])
    if pa.types.is_date32(kind):
        return CBORTag(DATE, scalar.value)
    if pa.types.is_decimal(kind):
        sign, digits, exponent = scalar.as_py().as_tuple()
        unscaled = int("".join(map(str, digits)))
        return decimal(-unscaled if sign else unscaled, -exponent)
    if pa.types.is_interval(kind):
        return CBORTag(INTERVAL, list(scalar.as_py()))
    if pa.types.is_floating(kind):
        return float(scalar.as_py())
    return scalar.as_py()


def of_json(line):
    # `NaN` is no JSON.
    record = json.loads(line, object_pairs_hook=unique, parse_constant=int)
    if not isinstance(record, dict):
        raise ValueError("a record is an object")
    return record


def csv_rows(text):
    """Rows of fields: an empty field is nothing, an empty field in quotes is the empty text."""
    field = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)')
    at, row = 0, []
    while at < len(text):
        found = field.match(text, at)
        quoted, plain, end = found.groups()
        row.append(quoted.replace('""', '"') if quoted is not None else plain or None)
        at = found.end()
        if end != ",":
            yield row
            row = []


def digest(make, raw=None):
    try:
        return rec1(make())
    except NoIdentity:
        return "-"
    except ValueError:
        return hashlib.sha256(RAW_DOMAIN + raw).hexdigest()


def parquet_table(path):
    """A Parquet file by the types of its own schema, without the Arrow schema that pyarrow keeps beside it."""
    plain = pa.BufferOutputStream()
    pa.parquet.write_table(pa.parquet.read_table(path), plain, store_schema=False)
    return pa.parquet.read_table(pa.BufferReader(plain.getvalue()))


def digests(path):
    """The digest of each row, in their order."""
    if path.endswith(".jsonl"):
        return [digest(lambda: of_json(line), line) for line in open(path, "rb").read().splitlines()]
    if path.endswith(".csv"):
        names, *rows = csv_rows(open(path, encoding="utf-8", newline="").read())
        return [rec1(dict(zip(names, row))) for row in rows]
    table = parquet_table(path) if path.endswith(".parquet") else pa.ipc.open_file(path).read_all()
    names = table.column_names
    return [digest(lambda: unique(zip(names, map(of_arrow, row)))) for row in zip(*table.columns)]


if __name__ == "__main__":
    print("\n".join(digests(sys.argv[1])))
