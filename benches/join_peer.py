"""DuckDB joins the same two Parquet files: python3 join_peer.py CLAIMS SEEN MEMORY THREADS SCRATCH.

Prints one JSON object: the counts and sums of handles, the CPU seconds and wall seconds of the join, the CPU seconds of
reading both files alone, and the peak resident bytes.
"""

import json
import resource
import sys
import time

import duckdb

claims, seen, memory, threads, scratch = sys.argv[1:]

connection = duckdb.connect()
connection.execute(f"SET memory_limit = '{memory}B'")
connection.execute(f"SET threads = {threads}")
connection.execute(f"SET temp_directory = '{scratch}'")
connection.execute("SET preserve_insertion_order = false")


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(query):
    wall, before = time.perf_counter(), cpu()
    row = connection.execute(query).fetchone()
    return row, cpu() - before, time.perf_counter() - wall


_, reading, _ = measured(
    f"""
    SELECT (SELECT max(digest) || sum(handle) FROM '{claims}'), (SELECT max(digest) || sum(handle) FROM '{seen}')
    """
)
row, joining, wall = measured(
    f"""
    SELECT count(c.handle + s.handle),
           count(*) FILTER (WHERE s.handle IS NULL),
           count(*) FILTER (WHERE c.handle IS NULL),
           coalesce(sum(c.handle) FILTER (WHERE s.handle IS NOT NULL), 0),
           coalesce(sum(s.handle) FILTER (WHERE c.handle IS NOT NULL), 0),
           coalesce(sum(c.handle) FILTER (WHERE s.handle IS NULL), 0),
           coalesce(sum(s.handle) FILTER (WHERE c.handle IS NULL), 0)
    FROM '{claims}' c FULL JOIN '{seen}' s USING (digest)
    """
)
print(
    json.dumps(
        {
            "found": [int(n) for n in row],
            "cpu": joining,
            "wall": wall,
            "reading": reading,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
    )
)
