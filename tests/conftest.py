"""Fixtures shared by all tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rightsized.core.egress import Egress
from rightsized.core.errors import DownloadError
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from tests.coroutines import pytest_pyfunc_call as pytest_pyfunc_call  # pytest looks for it here

ROOT = Path(__file__).parents[1]
REQUIRED = frozenset(os.environ.get("RIGHTSIZED_REQUIRE", "").split(",")) - {""}
os.environ.setdefault("OMP_NUM_THREADS", "1")  # spinning threads cost more than they bring on shared cores


def pytest_configure(config: pytest.Config) -> None:
    """The socket guard: in the test process nothing reaches beyond loopback, by any library."""
    Egress().watch()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """A test that needs what this machine must have (RIGHTSIZED_REQUIRE) may not be skipped."""
    report = yield
    needs = {marker.name.removeprefix("needs_") for marker in item.iter_markers() if marker.name.startswith("needs_")}
    if report.skipped and needs & REQUIRED and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but RIGHTSIZED_REQUIRE asks for {sorted(needs & REQUIRED)}: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that use the encoder or the measuring data say so, for RIGHTSIZED_REQUIRE; slow files come first."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        for fixture, marker in (("encoder_home", "needs_encoder"), ("data_dir", "needs_data")):
            if fixture in fixtures:
                item.add_marker(marker)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)  # their files first, so that no worker is left alone with one


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


@pytest.fixture(scope="session")
def fitted_home(encoder_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the sample tasks `support` (certified) and `tone` (estimated). Never write to it."""
    root = shared_folder(tmp_path_factory)
    home, done = root / "fitted-home", root / "fitted-home.done"
    with _one_at_a_time(root / "fitted-home.lock"):
        if not done.exists():
            share_vectors(root, share_encoder(encoder_home, home))
            command = [sys.executable, "-m", "rightsized.cli", "demo", "--no-serve", "--home", str(home), "--json"]
            subprocess.run(command, check=True, capture_output=True, text=True)
            done.touch()
    return home


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers of this run share."""
    root = tmp_path_factory.getbasetemp()
    return root.parent if "PYTEST_XDIST_WORKER" in os.environ else root


def share_vectors(root: Path, home: Path) -> Path:
    """The vectors that fits of this run have computed are there for the next: what is tested is seldom the encoder."""
    (root / "vectors").mkdir(exist_ok=True)
    (home / "cache").symlink_to(root / "vectors")
    return home


def share_encoder(encoder_home: Path, home: Path) -> Path:
    """A fresh home that has the encoder of another."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copytree(encoder_home / "models" / "minilm", home / "models" / "minilm", copy_function=os.link)
    return home


@pytest.fixture
def home(encoder_home: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home of one's own that has the encoder, and the vectors of texts that this run has seen."""
    return share_vectors(shared_folder(tmp_path_factory), share_encoder(encoder_home, tmp_path / "home"))


@pytest.fixture
def copied_home(fitted_home: Path, tmp_path: Path) -> Path:
    """A copy of `fitted_home` to write to. Models and the cache of vectors are the same files: replace, never edit."""
    return copy_home(fitted_home, tmp_path / "copied-home")


def copy_home(home: Path, to: Path) -> Path:
    """A copy of a home; files of models, which are some 100 MB and never written to, are links."""

    def copy(source: str, target: str) -> str:
        if "models" in Path(source).relative_to(home).parts[:1]:
            os.link(source, target)
            return target
        return str(shutil.copy2(source, target))

    return Path(shutil.copytree(home, to, symlinks=True, copy_function=copy))


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:  # several xdist workers share one home
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
