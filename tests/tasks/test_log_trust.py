"""By which keys a home's log must be signed: another log in its place is neither taken over nor passed by a check."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import pytest

from rightsized.core.config import Config
from rightsized.core.errors import IntegrityError
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.verify import verify
from rightsized.store.home import Home
from rightsized.store.secrets import SecretFolder
from rightsized.tasks.compliance import Asked, gather
from rightsized.tasks.log_trust import home_keys
from tests.ledger.ledger_samples import write_decisions as write


def test_a_log_put_in_place_of_ours_is_not_taken_over(tmp_path: Path) -> None:
    """Unsigned, or signed by a stranger: neither may become ours by being opened, nor pass a check."""
    ours = Home(tmp_path / "home").ensure()
    secrets = SecretFolder(ours.secrets)
    with SqliteLedger(ours.decisions, group_ms=0, secrets=secrets) as ledger:
        asyncio.run(write(ledger, 3))
    with SqliteLedger(tmp_path / "forged.sqlite", group_ms=0) as forged:
        asyncio.run(write(forged, 5))
    with SqliteLedger(tmp_path / "signed.sqlite", group_ms=0, secrets=SecretFolder(tmp_path / "secrets")) as stranger:
        asyncio.run(write(stranger, 5))
    for name, said in (("forged", "signed another log before"), ("signed", "not among the home's secrets")):
        shutil.copyfile(tmp_path / f"{name}.sqlite", ours.decisions)
        with pytest.raises(IntegrityError, match=said):
            SqliteLedger(ours.decisions, secrets=secrets)
        found = verify(ours.decisions, trusted=home_keys(ours, ours.decisions))
        assert "key" in {finding.kind for finding in found.findings}
        report = gather(Config(home=str(ours.path)), Asked(0.0, time.time()))
        assert report.log.unaltered is False
    assert home_keys(ours, tmp_path / "signed.sqlite") == []  # of a log elsewhere this home knows nothing


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "fresh" / "home").ensure()
    assert home.path.stat().st_mode & 0o777 == 0o700
    with SqliteLedger(home.decisions, secrets=SecretFolder(home.secrets)) as ledger:
        asyncio.run(write(ledger, 1))
        modes = {path.name: path.stat().st_mode & 0o777 for path in home.path.glob("decisions.sqlite*")}
    assert len(modes) >= 3
    assert set(modes.values()) == {0o600}
