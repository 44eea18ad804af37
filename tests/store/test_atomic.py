"""Old content or new, never a half."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rightsized.core.errors import DiskFullError, StoreError
from rightsized.store import atomic


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, where mounting is permitted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_write_replaces_content_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    atomic.write(path, b"old")
    atomic.write(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_create_keeps_what_was_first(tmp_path: Path) -> None:
    assert atomic.create(tmp_path / "key", b"first")
    assert not atomic.create(tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"
    assert len(list(tmp_path.iterdir())) == 1


def test_full_disk_keeps_the_old_content(small_disk: Path) -> None:
    atomic.write(small_disk / "file", b"old")
    with pytest.raises(DiskFullError, match="No space is left") as caught:
        atomic.write(small_disk / "file", os.urandom(2 << 20))
    assert caught.value.fix
    assert (small_disk / "file").read_bytes() == b"old"
    assert [p.name for p in small_disk.iterdir()] == ["file"]


def test_full_disk_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    atomic.write(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError):
        atomic.write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_folder_is_installed_over_another(tmp_path: Path) -> None:
    old, new, final, aside = (tmp_path / name for name in ("old", "new", "final", "aside"))
    for folder, content in ((old, "old"), (new, "new")):
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "file").write_text(content, "utf-8")
    atomic.install_folder(old, final, aside=aside)
    atomic.install_folder(new, final, aside=aside)
    assert (final / "inner" / "file").read_text("utf-8") == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["final"]


def test_install_killed_between_its_renames_is_undone(tmp_path: Path) -> None:
    final, aside = tmp_path / "final", tmp_path / "aside"
    aside.mkdir()
    (aside / "file").write_text("old", "utf-8")
    atomic.restore_folder(final, aside=aside)
    assert (final / "file").read_text("utf-8") == "old"


def test_a_file_that_a_user_named_is_written_or_the_reason_is_told(tmp_path: Path, small_disk: Path) -> None:
    atomic.export(tmp_path / "new" / "page.html", b"one")
    atomic.export(tmp_path / "new" / "page.html", b"two")
    assert (tmp_path / "new" / "page.html").read_bytes() == b"two"
    for place in (Path("/proc/no/page.html"), tmp_path / "new" / "page.html" / "page.html"):
        with pytest.raises(StoreError, match="cannot be written") as caught:
            atomic.export(place, b"x")
        assert "HOME" not in caught.value.fix
        assert "Name a file" in caught.value.fix
    with pytest.raises(DiskFullError, match="No space") as full:
        atomic.export(small_disk / "page.html", b"x" * (2 << 20))
    assert "HOME" not in full.value.fix
    assert list(small_disk.iterdir()) == []
