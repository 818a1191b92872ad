#!/usr/bin/env python3
"""Writes testdata/rec1/vectors.json: twenty rows, once with types and once as texts, and what rec1.py makes of them.

    make_vectors.py > testdata/rec1/vectors.json

A value with a type is an object with one key: {"int": "-5"}, {"float": "-0.0"}, {"text": "a"}, {"bytes": "00ff"},
{"bool": true}, {"timestamp": "ns"}, {"date": "days"}, {"decimal": ["unscaled", scale]}, {"list": […]},
{"struct": {…}}; null is missing. `json` is the row as a line of JSON, where JSON can say it.
"""

import json

from rec1 import DATE, TIMESTAMP, CBORTag, decimal, of_json, rec1


def i(value): return {"int": str(value)}
def f(value): return {"float": repr(value)}
def t(value): return {"text": value}
def b(value): return {"bytes": value}
def l(*values): return {"list": list(values)}
def s(**fields): return {"struct": fields}
def ts(value): return {"timestamp": str(value)}
def day(value): return {"date": str(value)}
def dec(unscaled, scale): return {"decimal": [str(unscaled), scale]}


ROWS = [
    dict(id=i(0), text=t("hello")),
    dict(id=i(-1), text=t("")),
    dict(id=i(2**53 + 1), text=t("na\u00efve")),
    dict(id=i(-(2**63)), text=t("nai\u0308ve")),
    dict(id=i(2**63 - 1), text=t("\U0001f600 日本語")),
    dict(big=i(2**64 - 1)),
    dict(big=i(2**64), id=i(1)),
    dict(big=i(-(2**200) - 1)),
    dict(id=i(1), f=f(1.0)),
    dict(id=i(2), f=f(-0.0)),
    dict(id=i(3), f=f(float("nan"))),
    dict(id=i(4), f=f(float("-inf"))),
    dict(id=i(5), f=f(5e-324), flag={"bool": True}),
    dict(id=i(6), f=f(0.1), flag={"bool": False}),
    dict(id=i(7), data=b(""), text=None),
    dict(id=i(8), data=b("68656c6c6f"), text=t("hello")),
    dict(id=i(9), tags=l(t("a"), None, t("")), point=s(x=i(1), name=t("p"), gone=None), data=None),
    dict(id=i(10), tags=l(), points=l(s(x=i(1)), None, s(x=None, name=None), s(name=t("q"), data=b("00")))),
    dict(id=i(11), at=ts(-1), day=day(-719_162), price=dec(12_300, 2), flag=None),
    dict(id=i(12), at=ts(1_700_000_000_123_456_789), day=day(19_675), price=dec(-1_000_000, 0)),
]


def value(typed):
    if typed is None:
        return None
    (kind, of), = typed.items()
    return {
        "int": lambda: int(of),
        "float": lambda: float(of),
        "text": lambda: of,
        "bytes": lambda: bytes.fromhex(of),
        "bool": lambda: of,
        "timestamp": lambda: CBORTag(TIMESTAMP, int(of)),
        "date": lambda: CBORTag(DATE, int(of)),
        "decimal": lambda: decimal(int(of[0]), of[1]),
        "list": lambda: [value(item) for item in of],
        "struct": lambda: {name: value(item) for name, item in of.items()},
    }[kind]()


def text(typed):
    """Some text that says the same; what matters is that it is a text."""
    if typed is None:
        return None
    (kind, of), = typed.items()
    return of if isinstance(of, str) else json.dumps(of, ensure_ascii=False)


def line(record):
    """The record as JSON, if that comes to the same."""
    try:
        said = json.dumps(record, ensure_ascii=False)
        return said if rec1(of_json(said)) == rec1(record) else None
    except (TypeError, ValueError):
        return None


rows = []
for typed in ROWS:
    record = {name: value(item) for name, item in typed.items()}
    texts = {name: text(item) for name, item in typed.items()}
    rows.append({"typed": typed, "json": line(record), "rec1": rec1(record), "text": texts, "text_rec1": rec1(texts)})
print(json.dumps({"rows": rows}, indent=1, ensure_ascii=False))
