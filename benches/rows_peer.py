"""DuckDB hashes the texts of Parquet files: python3 rows_peer.py FILES SHA256 THREADS.

Prints one JSON object: how many rows there are, how many have that digest, the wall and CPU seconds of the query, and
the peak resident bytes.
"""

import json
import resource
import sys
import time

import duckdb

files, digest, threads = sys.argv[1:]
connection = duckdb.connect()
connection.execute(f"SET threads = {threads}")


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


wall, before = time.perf_counter(), cpu()
rows, _, found = connection.execute(
    f"""
    SELECT count(*), bit_xor(hash(digest)), count(*) FILTER (WHERE digest = '{digest}')
    FROM (SELECT sha256(text) AS digest FROM '{files}')
    """
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
