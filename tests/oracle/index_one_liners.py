"""Runs the one-liners of docs/index.md: python3 index_one_liners.py SHARDPROOF DOCUMENT FOLDER.

Writes two datasets to the folder, has the program make their indexes, and holds each answer to what is known of the
datasets.
"""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

program, document, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).read_text(), Path(sys.argv[3])
os.chdir(folder)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def tar(samples):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for key, text, url in samples:
            for name, content in ((f"{key}.txt", text.encode()), (f"{key}.url", url.encode())):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def index(name, code):
    ran = subprocess.run([program, "index", name, "-o", f"{name}.index", "-q"], stdout=subprocess.DEVNULL)
    assert ran.returncode == code, ran


# `cat` stands in all three files, `dog` twice in one; the line that is no JSON is row 2.
Path("data").mkdir()
Path("data/a.tar").write_bytes(tar([("0", "cat", "u0"), ("1", "dog", "u1"), ("2", "dog", "u2")]))
table = pa.table({"txt": ["cat", "bird", None], "url": ["u3", "u4", "u5"], "n": [1, 2, 3]})
pa.parquet.write_table(table, "data/b.parquet")
lines = [json.dumps({"txt": "cat", "url": "u6"}), json.dumps({"txt": "ant", "url": "u7"}), "no JSON"]
Path("data/c.jsonl").write_text("".join(line + "\n" for line in lines))
# The other one has the samples 0 and 2 of the tar and the second row of the table, in another format.
Path("other").mkdir()
rows = [{"txt": "cat", "url": "u0"}, {"url": "u2", "txt": "dog"}, {"n": 2, "txt": "bird", "url": "u4"}]
Path("other/all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
index("data", 3)
index("other", 0)

sql = re.findall(r"^```sql\n(.*?)\n```$", document, re.MULTILINE | re.DOTALL)
python = re.findall(r"^```python\n(.*?)\n```$", document, re.MULTILINE | re.DOTALL)
assert (len(sql), len(python)) == (3, 3), (len(sql), len(python))
assert all("\n" not in line for line in sql + python), "a one-liner has one line"
twice, by_kind, absent = (duckdb.sql(query).fetchall() for query in sql)
DIGEST = sha256(b"dog")
largest, there, unread = (eval(line).reset_index(drop=True) for line in python)

assert twice == [(sha256(b"cat"), 3, 3)], twice
sizes = {name: Path("data", name).stat().st_size for name in ("a.tar", "b.parquet", "c.jsonl")}
assert by_kind == [
    ("a.tar", "file", 1, sizes["a.tar"]),
    ("a.tar", "member", 6, 3 * 3 + 3 * 2),
    ("b.parquet", "cell", 5, len("cat") + len("bird") + 3 * 2),
    ("b.parquet", "file", 1, sizes["b.parquet"]),
    ("b.parquet", "row", 3, 0),
    ("c.jsonl", "cell", 4, 2 * 3 + 2 * 2),
    ("c.jsonl", "file", 1, sizes["c.jsonl"]),
    ("c.jsonl", "row", 3, sum(map(len, lines))),
], by_kind
assert sorted(absent, key=str) == [
    ("a.tar", "1", 1),
    ("b.parquet", None, 0),
    ("b.parquet", None, 2),
    ("c.jsonl", None, 0),
    ("c.jsonl", None, 1),
    ("c.jsonl", None, 2),
], absent
in_order = sorted(sizes.items(), key=lambda item: -item[1])
assert list(largest.itertuples(index=False, name=None)) == in_order, largest
assert there["shard"].tolist() == ["a.tar", "a.tar"] and there["member"].tolist() == ["1.txt", "2.txt"], there
assert there["row"].isna().all() and there["column"].isna().all(), there
assert unread["shard"].tolist() == ["c.jsonl"] and "row 2" in unread["detail"][0], unread
