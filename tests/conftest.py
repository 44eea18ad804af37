"""Fixtures shared by all tests."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rightsized.core.egress import Egress
from rightsized.core.errors import DownloadError
from rightsized.store.home import Home
from rightsized.store.models import ModelStore

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def encoder_home() -> Path:
    """A home with `minilm` installed, pulled once and kept between runs. Write no tasks into it."""
    from rightsized.tasks.encoders import plan_pull, pull_encoder

    path = Path(os.environ.get("RIGHTSIZED_TEST_HOME", Path.home() / ".cache" / "rightsized-test"))
    store = ModelStore(Home(path).ensure())
    egress = Egress()
    with _one_at_a_time(path / "fixture.lock"), egress.granted(plan_pull("minilm", store).destination):
        try:
            if store.has("minilm") and store.verify("minilm"):
                store.remove("minilm")
            pull_encoder("minilm", store=store, egress=egress)
        except DownloadError as error:
            pytest.skip(f"the default encoder could not be fetched: {error}")
    return path


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the measuring data sets."""
    path = Path(os.environ.get("RIGHTSIZED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"the measuring data sets are not at {path}; set RIGHTSIZED_DATA")
    return path


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:  # several xdist workers share one home
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
