"""OLE containers: Office files under a password, and formats of before 2007, which are not read. Says which it is."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from rightsized.core.errors import DocumentError

LOOKED_AT = 1 << 20  # bytes at each end of the file, where the directory of streams mostly is
_KINDS = (
    ("WordDocument", "a Word document of before 2007", "Save it as DOCX."),
    ("Workbook", "an Excel workbook of before 2007", "Save it as XLSX."),
    ("PowerPoint Document", "a presentation of before 2007", "Save it as PPTX."),
    ("__properties_version1.0", "an Outlook message", "Save it as EML."),
)


def refuse_ole(path: Path, name: str) -> NoReturn:
    """Raises DocumentError: `encrypted` for Office files under a password, else `unsupported`."""
    with path.open("rb") as file:
        data = file.read(LOOKED_AT)
        file.seek(max(0, path.stat().st_size - LOOKED_AT))
        data += file.read()
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise DocumentError(f"{name} needs a password.", reason="encrypted", fix="Save it without one.")
    for stream, what, fix in _KINDS:
        if stream.encode("utf-16-le") in data:
            raise DocumentError(f"{name} is {what}, which is not read.", reason="unsupported", fix=fix)
    raise DocumentError(f"{name} is an OLE container of an unknown kind.", reason="unsupported")
