"""DuckDB hashes the texts of Parquet files and looks one digest up: duckdb_peer.py FILES ALGORITHM DIGEST THREADS.

Prints one JSON object: how many rows there are, how many have that digest, the wall and CPU seconds of the query alone,
and the peak resident bytes.
"""

import json
import resource
import sys
import time

import duckdb

files, algorithm, digest, threads = sys.argv[1:]
assert algorithm in ("md5", "sha256")
connection = duckdb.connect()
connection.execute(f"SET threads = {threads}")


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


wall, before = time.perf_counter(), cpu()
rows, found = connection.execute(
    f"SELECT count(*), count(*) FILTER (WHERE {algorithm}(text) = ?) FROM read_parquet(?)", [digest, files]
).fetchone()
print(
    json.dumps(
        {
            "rows": rows,
            "found": found,
            "wall": time.perf_counter() - wall,
            "cpu": cpu() - before,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
    )
)
