#!/usr/bin/env python3
"""Writes random records and what rec1.py makes of them.

    make_random.py FOLDER COUNT [SEED]

makes records.parquet, records.arrow, records.jsonl and records.csv in the folder, and beside each a file with `.rec1`
at its name's end that holds the digest of each row.
"""

import json
import random
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

import rec1

folder, count = Path(sys.argv[1]), int(sys.argv[2])
dice = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)

TEXTS = ["", "a", "é", "e\u0301", "日本語", 'quo"te', "comma, and\nline", "\U0001f600", "x" * 40, "NaN", "1"]
FLOATS = [0.0, -0.0, 1.0, 1.5, 0.1, 1e300, 5e-324, 65504.0, 2.0**-24, float("inf"), float("-inf"), float("nan")]


def maybe(make):
    return None if dice.random() < 0.2 else make()


def text():
    return dice.choice(TEXTS) + dice.choice(["", str(dice.randrange(1000))])


def binary():
    return dice.randbytes(dice.choice([0, 1, 12, 13, 50]))


def integer(bits, signed=True):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return dice.choice([low, high, 0, dice.randint(low, high), min(high, dice.randrange(300))])


def decimal(digits, scale):
    unscaled = dice.choice([0, 10 ** dice.randrange(digits), dice.randrange(10**digits)]) * dice.choice([1, -1])
    return Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -scale))


def single():
    return dice.choice([0.0, -0.0, 1.0, 0.5, 2.0**-24, 2.0**-149, float("nan"), float("inf")])


def point():
    return {"x": maybe(lambda: integer(16)), "label": maybe(text), "raw": maybe(binary)}


POINT = pa.struct([("x", pa.int16()), ("label", pa.string()), ("raw", pa.binary())])
COLUMNS = {
    "i8": (pa.int8(), lambda: integer(8)),
    "i32": (pa.int32(), lambda: integer(32)),
    "i64": (pa.int64(), lambda: integer(64)),
    "u16": (pa.uint16(), lambda: integer(16, False)),
    "u64": (pa.uint64(), lambda: integer(64, False)),
    "f16": (pa.float16(), lambda: dice.choice([0.0, -0.0, 1.5, 65504.0, 2.0**-24, float("nan")])),
    "f32": (pa.float32(), single),
    "f64": (pa.float64(), lambda: dice.choice(FLOATS + [dice.gauss(0, 1e6)])),
    "yes": (pa.bool_(), lambda: dice.random() < 0.5),
    "text": (pa.string(), text),
    "long text": (pa.large_string(), text),
    "viewed": (pa.string_view(), text),
    "é": (pa.binary(), binary),
    "fixed": (pa.binary(4), lambda: dice.randbytes(4)),
    "named": (pa.dictionary(pa.int32(), pa.string()), lambda: dice.choice(TEXTS)),
    "s": (pa.timestamp("s"), lambda: integer(40)),
    "us": (pa.timestamp("us", "Europe/Berlin"), lambda: integer(50)),
    "ns": (pa.timestamp("ns"), lambda: integer(64)),
    "day": (pa.date32(), lambda: integer(20)),
    "clock": (pa.time32("ms"), lambda: dice.randrange(86_400_000)),
    "fine clock": (pa.time64("ns"), lambda: dice.randrange(86_400 * 10**9)),
    "lasting": (pa.duration("us"), lambda: integer(48)),
    "money": (pa.decimal128(20, 4), lambda: decimal(20, 4)),
    "much money": (pa.decimal256(70, 10), lambda: decimal(70, 10)),
    "tags": (pa.list_(pa.string()), lambda: [maybe(text) for _ in range(dice.randrange(4))]),
    "points": (pa.list_(POINT), lambda: [maybe(point) for _ in range(dice.randrange(3))]),
    "fixed list": (pa.list_(pa.int32(), 2), lambda: [maybe(lambda: integer(8)) for _ in range(2)]),
    "deep": (
        pa.struct([("p", POINT), ("l", pa.large_list(pa.list_(pa.binary())))]),
        lambda: {"p": maybe(point), "l": maybe(lambda: [[maybe(binary)], [], None])},
    ),
    "counts": (pa.map_(pa.string(), pa.int64()), lambda: [(key, maybe(lambda: integer(8))) for key in dice.sample("ab", 2)]),
    "by number": (
        pa.map_(pa.int32(), pa.string()),
        lambda: [(key, maybe(text)) for key in dice.sample([-1, 0, 23, 24, 500], dice.randrange(4))],
    ),
}


def of_json():
    """A line of JSON, now and then one that is no record or has no identity."""
    numbers = [lambda: integer(64), lambda: integer(200), lambda: dice.gauss(0, 1), lambda: 1.0, lambda: 1e22]
    scalar = [*numbers, text, lambda: True, lambda: None]
    some = lambda: dice.choice(scalar)()
    record = {key: some() for key in dice.sample(TEXTS, dice.randrange(5))}
    record["nested"] = {"list": [some(), some()], "map": {"z": some(), "aa": some(), "b": None}}
    line = json.dumps(record, ensure_ascii=dice.random() < 0.5)
    return dice.choice([line] * 30 + [line[:-1], '{"a": 1, "b": {"c": 1, "c": 2}}'])


def of_csv(value):
    if value is None:
        return ""
    return '"' + value.replace('"', '""') + '"' if value == "" or set(value) & set(',"\n') else value


def write(name, save):
    path = str(folder / name)
    save(path)
    Path(path + ".rec1").write_text("\n".join(rec1.digests(path)) + "\n")


arrays = [pa.array([maybe(make) for _ in range(count)], kind) for kind, make in COLUMNS.values()]
table = pa.Table.from_arrays(arrays, names=list(COLUMNS))


def save_arrow(path):
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table, max_chunksize=1000)


write("records.parquet", lambda path: pa.parquet.write_table(table, path, row_group_size=3000))
write("records.arrow", save_arrow)
write("records.jsonl", lambda path: Path(path).write_text("".join(of_json() + "\n" for _ in range(count))))
rows = [["a", "b", "été"]] + [[maybe(text) for _ in range(3)] for _ in range(count)]
lines = "".join(",".join(map(of_csv, row)) + "\n" for row in rows)
write("records.csv", lambda path: Path(path).write_text(lines))
