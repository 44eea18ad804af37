"""Documents that a command shows are put into the log of the home, or nothing may be shown."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rightsized.core.config import Config, RecordConfig
from rightsized.core.errors import HomeLockedError
from rightsized.core.roles import Identity
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.verify import verify
from rightsized.store.home import Home, WriterLock
from rightsized.tasks.accesses import documents_seen, looked
from rightsized.tasks.home_accesses import note_in_home

ANNA = documents_seen(Identity("local", name="anna"), "document", "mails", ["d1", "d2"])


def test_it_is_in_the_signed_log(tmp_path: Path) -> None:
    config = Config(home=tmp_path)
    note_in_home(config, ANNA)
    note_in_home(config, ANNA)
    with LedgerReader(Home(tmp_path).decisions) as reader:
        (found,) = looked(reader, 0.0, 1e12)
    assert (found.name, found.what, found.times, found.decisions) == ("anna", "document", 2, 2)
    assert verify(Home(tmp_path).decisions).ok


def test_who_cannot_be_put_on_record_is_shown_nothing(tmp_path: Path) -> None:
    with WriterLock(Home(tmp_path), "fit"), pytest.raises(HomeLockedError):
        note_in_home(Config(home=tmp_path), ANNA)


def test_where_nothing_is_recorded_nothing_is(tmp_path: Path) -> None:
    note_in_home(msgspec.structs.replace(Config(home=tmp_path), record=RecordConfig(enabled=False)), ANNA)
    assert not Home(tmp_path).decisions.exists()
