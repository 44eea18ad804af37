"""Names of files and columns of a production, and its manifest."""

from __future__ import annotations

from rightsized.core.frozen import Frozen

OURS, THEIRS, MANIFEST = "internal", "production", "manifest.json"
DAT, CSV, PRIVILEGE_LOG, ACCESS_LOG, TAGS = (
    "loadfile.dat",
    "loadfile.csv",
    "privilege_log.csv",
    "access_log.csv",
    "tags.csv",
)
COLUMNS = (
    "BEGDOC", "ENDDOC", "BEGATTACH", "ENDATTACH", "PARENTID", "CUSTODIAN", "FILEPATH", "FILENAME", "FILETYPE",
    "FILESIZE", "PAGES", "SHA256", "TITLE", "AUTHOR", "FROM", "TO", "CC", "BCC", "SUBJECT", "MESSAGEID", "DATE",
    "MODIFIED", "THREADID", "NEARDUPID", "TAGS", "WITHHELD", "NATIVENOTE", "NATIVELINK", "TEXTLINK",
)  # fmt: skip
PRIVILEGE_COLUMNS = ("BEGDOC", "BEGATTACH", "ENDATTACH", "DATE", "FILETYPE", "AUTHOR", "FROM", "TO", "CC", "BASIS")
PLACEHOLDER = "This document has been withheld as privileged."


class Manifest(Frozen, frozen=True):
    """What an export holds. `files` are sha256 by path; `log` is the digest of the last row of the whole log."""

    set: str
    created: float
    by: str
    documents: int
    families: int
    natives: int
    withheld: int
    first: str
    last: str
    allowed: tuple[str, ...]
    log: str
    files: dict[str, str]
