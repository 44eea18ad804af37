"""The home folder, its secrets and its one writer."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rightsized.core.errors import HomeLockedError, StoreError
from rightsized.store.home import Home, WriterLock, holder

HOLD = """
import sys, time
from rightsized.store.home import Home, WriterLock
with WriterLock(Home(sys.argv[1]), "serve", "http://127.0.0.1:8321"):
    print("held", flush=True)
    time.sleep(600)
"""


def _holding(home: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_second_writer_is_told_who_holds_the_home(tmp_path: Path) -> None:
    child = _holding(tmp_path)
    try:
        with pytest.raises(HomeLockedError) as caught, WriterLock(Home(tmp_path), "fit"):
            pass
        assert str(child.pid) in caught.value.message
        assert "serve at http://127.0.0.1:8321" in caught.value.message
        found = holder(Home(tmp_path))
        assert found is not None
        assert (found.pid, found.purpose, found.address) == (child.pid, "serve", "http://127.0.0.1:8321")
    finally:
        child.kill()
        child.communicate()


def test_lock_of_a_killed_writer_is_free(tmp_path: Path) -> None:
    child = _holding(tmp_path)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert holder(Home(tmp_path)) is None
    with WriterLock(Home(tmp_path), "fit"):
        found = holder(Home(tmp_path))
        assert found is not None
        assert found.pid == os.getpid()
        assert found.address == ""  # nothing of the longer record before it is left


def test_address_can_be_announced_later(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with WriterLock(home, "serve") as lock:
        lock.announce("http://127.0.0.1:45001")
        found = holder(home)
        assert found is not None
        assert found.address == "http://127.0.0.1:45001"
    assert holder(home) is None


def test_watching_the_lock_never_keeps_a_writer_out(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            holder(home)

    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(50):
            with WriterLock(home, "fit"):
                pass
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join()


def test_secret_is_made_once_and_private(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        values = set(pool.map(lambda _: Home(tmp_path).secret("audit-coin"), range(32)))
    assert len(values) == 1
    assert len(values.pop()) == 32
    assert home.secret("signing") != home.secret("audit-coin")
    assert (home.secrets / "signing").stat().st_mode & 0o777 == 0o600
    assert home.secrets.stat().st_mode & 0o777 == 0o700
    assert sorted(p.name for p in home.secrets.iterdir()) == ["audit-coin", "signing"]


def test_damaged_secret_is_reported_not_replaced(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.secret("signing")
    (home.secrets / "signing").write_bytes(b"short")
    with pytest.raises(StoreError, match="5 bytes instead of 32"):
        home.secret("signing")


@pytest.mark.parametrize("name", ["", "../key", "a/b", ".hidden"])
def test_secret_names_stay_inside_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError):
        Home(tmp_path).secret(name)


def test_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder", "utf-8")
    with pytest.raises(StoreError, match="is a file"):
        Home(tmp_path / "home").ensure()


def test_a_home_that_cannot_be_written_to_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    home = Home(tmp_path / "home").ensure()
    monkeypatch.setattr("rightsized.store.home.os.open", refuse)
    with pytest.raises(StoreError, match="ead-only file system"), WriterLock(home, "test"):
        pass
