"""What the join by digest must find, in SQL: python3 join_oracle.py CLAIMS SEEN, two CSV files.

Their columns are algorithm, digest (empty where there is none), size (may be empty) and handle (hex,
of one length, so that text sorts as numbers do). Prints a CSV:
`pair`, `claim` or `seen`, the claim's handle, the item's handle; first of all how many claims have no digest.
"""

import sys

import duckdb

claims, seen = sys.argv[1:]
connection = duckdb.connect()
columns = "{'algorithm': 'VARCHAR', 'digest': 'VARCHAR', 'size': 'UBIGINT', 'handle': 'VARCHAR'}"
for name, path in (("claims", claims), ("seen", seen)):
    connection.execute(
        f"CREATE TABLE {name} AS SELECT * FROM read_csv('{path}', header = true, columns = {columns})"
    )

# Claims with a size first, each with the item of its size that has the same rank; then the others with what is left.
connection.execute(
    """
    CREATE TABLE pairs AS
    WITH
    sized AS (
        SELECT *, row_number() OVER (PARTITION BY algorithm, digest, size ORDER BY handle) AS rank
        FROM claims WHERE digest IS NOT NULL AND size IS NOT NULL
    ),
    items AS (
        SELECT *, row_number() OVER (PARTITION BY algorithm, digest, size ORDER BY handle) AS rank FROM seen
    ),
    exact AS (
        SELECT algorithm, digest, sized.handle AS claim, items.handle AS item
        FROM sized JOIN items USING (algorithm, digest, size, rank)
    ),
    open AS (
        SELECT *, row_number() OVER (PARTITION BY algorithm, digest ORDER BY handle) AS rank
        FROM claims WHERE digest IS NOT NULL AND size IS NULL
    ),
    rest AS (
        SELECT *, row_number() OVER (PARTITION BY algorithm, digest ORDER BY handle) AS rank
        FROM seen WHERE handle NOT IN (SELECT item FROM exact)
    )
    SELECT * FROM exact
    UNION ALL
    SELECT algorithm, digest, open.handle, rest.handle FROM open JOIN rest USING (algorithm, digest, rank)
    """
)

# The counts another way: where no claim of a digest has a size, the pairs are the fewer of both sides.
wrong = connection.execute(
    """
    WITH
    c AS (SELECT algorithm, digest, count(*) AS n, count(size) AS sized FROM claims GROUP BY ALL),
    s AS (SELECT algorithm, digest, count(*) AS m FROM seen GROUP BY ALL),
    p AS (SELECT algorithm, digest, count(*) AS pairs FROM pairs GROUP BY ALL)
    SELECT count(*)
    FROM c LEFT JOIN s USING (algorithm, digest) LEFT JOIN p USING (algorithm, digest)
    WHERE digest IS NOT NULL AND sized = 0 AND coalesce(pairs, 0) != least(n, coalesce(m, 0))
    """
).fetchone()[0]
assert wrong == 0, f"the oracle contradicts itself for {wrong} digests"

(without,) = connection.execute("SELECT count(*) FROM claims WHERE digest IS NULL").fetchone()
print(without)
rows = connection.execute(
    """
    SELECT 'pair', claim, item FROM pairs
    UNION ALL
    SELECT 'claim', handle, '0' FROM claims WHERE digest IS NOT NULL AND handle NOT IN (SELECT claim FROM pairs)
    UNION ALL
    SELECT 'seen', '0', handle FROM seen WHERE handle NOT IN (SELECT item FROM pairs)
    """
)
while some := rows.fetchmany(10_000):
    sys.stdout.write("".join(f"{kind},{claim},{item}\n" for kind, claim, item in some))
