"""A stand-in for the Hugging Face Hub's API with one dataset, for the real client to download from.

Usage: stand_in.py FILES_DIR COMMIT

Every file below FILES_DIR is served as the dataset `org/name` at COMMIT. Files that end in `.bin` or `.parquet` are LFS
files (their ETag is a SHA-256), others git blobs. Prints its port. A file named `stalls.bin` is sent to its half, and
then nothing more, so that a client can be interrupted in the middle of it.
"""

import hashlib
import json
import os
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

root, commit = sys.argv[1], sys.argv[2]


def files():
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            yield os.path.relpath(path, root).replace(os.sep, "/"), open(path, "rb").read()


def git_blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_lfs(path):
    return path.endswith((".bin", ".parquet"))


def pointer(content):
    oid = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n".encode()


def tree_entry(path, content):
    entry = {"type": "file", "path": path, "size": len(content), "oid": git_blob(content)}
    if is_lfs(path):
        text = pointer(content)
        entry["oid"] = git_blob(text)
        entry["lfs"] = {
            "oid": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "pointerSize": len(text),
        }
    return entry


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value):
        self.answer(200, json.dumps(value).encode(), [("Content-Type", "application/json")])

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlparse(self.path).path)
        if path.startswith("/api/datasets/org/name/tree/"):
            self.json([tree_entry(name, content) for name, content in files()])
        elif path.startswith("/api/datasets/org/name"):
            siblings = [{"rfilename": name} for name, _ in files()]
            self.json({"id": "org/name", "sha": commit, "private": False, "siblings": siblings,
                       "tags": [], "downloads": 0, "likes": 0, "gated": False, "disabled": False})
        elif path.startswith("/datasets/org/name/resolve/"):
            self.file(path.split("/", 6)[6])
        else:
            self.answer(404, b"{}", [("X-Error-Code", "EntryNotFound")])

    def file(self, name):
        content = dict(files()).get(name)
        if content is None:
            return self.answer(404, b"", [("X-Error-Code", "EntryNotFound")])
        etag = hashlib.sha256(content).hexdigest() if is_lfs(name) else git_blob(content)
        headers = [("ETag", f'"{etag}"'), ("X-Repo-Commit", commit), ("Accept-Ranges", "bytes")]
        if is_lfs(name):
            headers += [("X-Linked-Etag", f'"{etag}"'), ("X-Linked-Size", str(len(content)))]
        if name.endswith("stalls.bin") and self.command == "GET":
            self.send_response(200)
            for key, value in headers:
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            print("stalled", flush=True)
            threading.Event().wait()
        self.answer(200, content, headers)


server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
