"""SQLite passes what every backend of the ledger must, and is what the types call one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from backend_conformance import LedgerConformance

from rightsized.ledger.backend import LedgerBackend
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.subjects import PERSON, SubjectKeys
from rightsized.store.secrets import SecretFolder


class SqliteBackend:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, **options: Any) -> LedgerBackend:
        secrets = SecretFolder(self._folder / "secrets")
        return SqliteLedger(self._folder / "d.sqlite", group_ms=0, secrets=secrets, **options)

    def erase(self, subject: str) -> str | None:
        keys = SubjectKeys(self._folder / "secrets")
        try:
            return keys.erase(PERSON + subject, at=1.0)
        finally:
            keys.close()


class TestSqlite(LedgerConformance):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> SqliteBackend:
        return SqliteBackend(tmp_path)
