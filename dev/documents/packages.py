"""Rewrites Office and ZIP packages so that equal content is equal bytes: fixed dates, fixed order, nothing idle."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime

WRITTEN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)  # the one date that every generated file carries
_STAMP = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(?=<)")


def packed(members: dict[str, bytes]) -> bytes:
    """A ZIP archive of the members in their order, each dated WRITTEN."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, WRITTEN.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    return out.getvalue()


def settled(package: bytes) -> bytes:
    """An Office package packed anew, its dates of creation and change set to WRITTEN."""
    stamp = WRITTEN.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    core = members["docProps/core.xml"]
    members["docProps/core.xml"] = _STAMP.sub(rb"\g<1>" + stamp, core)
    return packed(members)
