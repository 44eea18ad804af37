"""The console's own files (styles, modules, mark), read once and served with an entity tag."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from starlette.responses import Response

from rightsized.server.guards import PAGE_HEADERS
from rightsized.server.problems import RefusedError
from rightsized.server.reading import Receive, Scope
from rightsized.tasks import pages

FOLDERS = (pages.HERE, Path(__file__).parent / "static")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    body: bytes
    media: str
    tag: str


class Assets:
    """Serves `/static/{name}`. Browsers ask again each time and get 304 while nothing has changed."""

    def __init__(self) -> None:
        files = [path for folder in FOLDERS for path in sorted(folder.iterdir()) if path.suffix in TYPES]
        self._found = {path.name: _read(path) for path in files}

    async def __call__(self, scope: Scope, receive: Receive) -> Response:
        asset = self._found.get(scope["path_params"]["name"])
        if asset is None:
            raise RefusedError("unknown-route", f"There is no file at {scope['path']}.")
        headers = {**PAGE_HEADERS, "cache-control": "no-cache", "etag": asset.tag}
        if dict(scope["headers"]).get(b"if-none-match") == asset.tag.encode():
            return Response(None, 304, headers)
        return Response(asset.body, 200, {**headers, "content-type": asset.media})


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:16]}"')
