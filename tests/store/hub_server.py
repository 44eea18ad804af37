"""A stand-in for the Hugging Face hub on loopback: lists one repository and serves its files, in ranges too.

Speaks what huggingface_hub asks for: model info, the file tree, and HEAD and GET of resolved files. `cut_after`
breaks the first transfer of a large file after so many bytes.
"""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = ".safetensors"


class HubServer:
    """Serves `folder` as ORG/NAME with the branch main, the tag v1 and one commit."""

    def __init__(self, folder: Path, repository: str = "org/tiny") -> None:
        self.folder = folder
        self.repository = repository
        self.cut_after: int | None = None
        self.refuse_transfers = False
        self.lie_about: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, str]] = []  # method, path, range
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def transfers(self, name: str) -> list[str]:
        """Range headers of the GETs of one file."""
        return [ranged for method, path, ranged in self.requests if method == "GET" and path.endswith("/" + name)]

    def files(self) -> list[dict[str, Any]]:
        found = []
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file()):
            content = path.read_bytes()
            entry: dict[str, Any] = {"name": path.relative_to(self.folder).as_posix(), "size": len(content)}
            entry["oid"] = hashlib.sha1(content).hexdigest()
            entry["sha256"] = hashlib.sha256(content).hexdigest() if path.suffix == LARGE else ""
            found.append(entry)
        return found


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, path, self.headers.get("Range", "")))
        api, resolve = f"/api/models/{self.hub.repository}", f"/{self.hub.repository}/resolve/"
        if path.startswith(resolve):
            revision, _, name = path.removeprefix(resolve).partition("/")
            self._file(name) if revision in ("main", "v1", COMMIT) else self._error(404, "RevisionNotFound")
        elif path in (api, f"{api}/revision/main", f"{api}/revision/v1", f"{api}/revision/{COMMIT}"):
            self._json(self._info())
        elif path.startswith(f"{api}/tree/"):
            self._json([self._entry(f, "path") | {"type": "file", "oid": f["oid"]} for f in self.hub.files()])
        elif path.startswith(f"{api}/revision/"):
            self._error(404, "RevisionNotFound")
        else:
            self._error(404, "RepoNotFound")

    def _info(self) -> dict[str, Any]:
        files = [self._entry(f, "rfilename") | {"blobId": f["oid"]} for f in self.hub.files()]
        return {"id": self.hub.repository, "sha": COMMIT, "private": False, "siblings": files, "tags": []}

    def _entry(self, file: dict[str, Any], key: str) -> dict[str, Any]:
        large = {"lfs": {"sha256": file["sha256"], "oid": file["sha256"], "size": file["size"], "pointerSize": 134}}
        return {key: file["name"], "size": file["size"]} | (large if file["sha256"] else {})

    def _file(self, name: str) -> None:
        path = self.hub.folder / name
        if not path.is_file():
            return self._error(404, "EntryNotFound")
        content = path.read_bytes()
        tag = hashlib.sha256(content).hexdigest()
        content = self.hub.lie_about.get(name, content)
        if self.command == "GET" and path.suffix == LARGE and self.hub.refuse_transfers:
            return self._error(503, "Unavailable")
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{tag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            self._send(content[start:], large=path.suffix == LARGE)
        return None

    def _send(self, content: bytes, *, large: bool) -> None:
        if large and self.hub.cut_after is not None and len(content) > self.hub.cut_after:
            self.wfile.write(content[: self.hub.cut_after])
            self.wfile.flush()
            self.hub.refuse_transfers = True
            self.close_connection = True
            self.connection.shutdown(2)
        else:
            self.wfile.write(content)

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _error(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
