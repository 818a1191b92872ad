"""Verifies files with hashlib on several processes: python3 hashlib_peer.py SUMS FOLDER PROCESSES.

Prints one JSON object: how many files had the digest that the sums file gives them, and how many had not.
"""

import hashlib
import json
import multiprocessing
import os
import sys

# Files up to this size are read at once, which is quicker than file_digest's pieces.
WHOLE = 1 << 18


def intact(claim):
    digest, name = claim
    with open(os.path.join(folder, name), "rb", buffering=0) as file:
        head = file.read(WHOLE)
        if len(head) < WHOLE:
            return hashlib.sha256(head).hexdigest() == digest
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest() == digest


sums, folder, processes = sys.argv[1:]
with open(sums) as lines:
    claims = [line.rstrip("\n").split("  ", 1) for line in lines]

if __name__ == "__main__":
    processes = int(processes)
    ok = 0
    # Large files one by one, so that none is begun last; many small ones by the hundred.
    share = max(1, min(500, len(claims) // (processes * 16)))
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for each in pool.imap_unordered(intact, claims, share):
            ok += each
        pool.close()
        pool.join()
    print(json.dumps({"ok": ok, "bad": len(claims) - ok}))
