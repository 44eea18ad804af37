"""By which keys the log of a home must be signed: those among its secrets. An auditor's machine has none."""

from __future__ import annotations

from pathlib import Path

from rightsized.ledger.log_keys import LogKeys, trusted_keys
from rightsized.ledger.notes import VerifierKey
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.store.secrets import SecretFolder


def home_keys(home: Home, path: Path) -> list[VerifierKey]:
    """Keys that the log in `path` must be signed by, as this home knows; none where it knows nothing of it.

    In place of the home's own log no other will do: where it has no key for what lies there, the keys of the logs that
    it did sign are asked for. Raises NotFoundError (no such file), IntegrityError (a key was cut).
    """
    with LedgerReader(path) as reader:
        if not reader.query("SELECT 1 FROM sqlite_master WHERE name = 'identity'"):
            return []
        origin = reader.query("SELECT origin FROM identity")
    secrets, name = SecretFolder(home.secrets), str(origin[0][0]) if origin else ""
    if path.resolve() == home.decisions.resolve():
        return trusted_keys(secrets, name)
    return [signer.key for signer in LogKeys(secrets, name).all()]
