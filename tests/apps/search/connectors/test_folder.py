from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

from rightsized.apps.search.connectors import files, listed, open_connector
from rightsized.apps.search.connectors.folder import DEEPEST, FolderConnector
from rightsized.apps.search.connectors.watching import changes
from rightsized.apps.search.types import Item
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, NotFoundError, StoreError


def put(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def keys(root: Path) -> list[str]:
    return [item.key for item in FolderConnector(root).items()]


def item(root: Path, key: str) -> Item:
    return next(one for one in FolderConnector(root).items() if one.key == key)


def test_every_file_beneath_in_a_stable_order(tmp_path: Path) -> None:
    for key in ("b.txt", "a/2.txt", "a/10.txt", "ä.txt", "Z.txt"):
        put(tmp_path / key)
    assert keys(tmp_path) == ["Z.txt", "a/10.txt", "a/2.txt", "b.txt", "ä.txt"]
    found = item(tmp_path, "a/2.txt")
    assert found.size == 1
    assert found.modified == pytest.approx((tmp_path / "a/2.txt").stat().st_mtime)


def test_hidden_files_sidecars_and_leftovers_are_no_documents(tmp_path: Path) -> None:
    for key in (".hidden", ".git/config", ".rightsized-access.toml", ".rightsized-ignore", "~$plan.docx", "a.txt~",
                "Thumbs.db", "x/.DS_Store"):  # fmt: skip
        put(tmp_path / key, "")
    put(tmp_path / "plan.docx")
    assert keys(tmp_path) == ["plan.docx"]


def test_ignore_files_as_gitignore_would_have_them(tmp_path: Path) -> None:
    for key in ("a.log", "keep.log", "drafts/a.txt", "sub/a.log", "sub/b.txt", "sub/keep.txt", "final/a.txt"):
        put(tmp_path / key)
    put(tmp_path / ".rightsized-ignore", "# notes\n*.log\n!keep.log\n/drafts/\n")
    put(tmp_path / "sub" / ".rightsized-ignore", "*.txt\n!keep.txt\n!a.log\n")
    assert keys(tmp_path) == ["final/a.txt", "keep.log", "sub/a.log", "sub/keep.txt"]
    put(tmp_path / ".rightsized-ignore", "[z-a]\n")
    with pytest.raises(ConfigError, match="line 1"):
        keys(tmp_path)


def test_links_pipes_and_sockets_are_not_followed_or_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root / "real" / "a.txt")
    put(tmp_path / "outside" / "secret.txt")
    (root / "link.txt").symlink_to(root / "real" / "a.txt")
    (root / "out.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "socket"))
        assert keys(root) == ["real/a.txt"]


def test_a_link_put_in_place_of_a_folder_after_listing_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root / "sub" / "a.txt", "mine")
    put(tmp_path / "outside" / "a.txt", "secret")
    found = item(root, "sub/a.txt")
    (root / "sub").rename(tmp_path / "moved")
    (root / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(NotFoundError):
        FolderConnector(root).read(found, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_no_key_leads_out_of_the_folder(tmp_path: Path) -> None:
    put(tmp_path / "root" / "a.txt")
    put(tmp_path / "secret.txt")
    found = item(tmp_path / "root", "a.txt")
    for key in ("../secret.txt", "./a.txt", "/a.txt", f"..{tmp_path}/secret.txt", ""):
        with pytest.raises(NotFoundError):
            FolderConnector(tmp_path / "root").read(replace(found, key=key), tmp_path / "copy")


def test_a_root_that_is_a_link_has_the_name_of_what_it_points_to(tmp_path: Path) -> None:
    put(tmp_path / "root" / "a.txt")
    (tmp_path / "link").symlink_to(tmp_path / "root")
    assert FolderConnector(tmp_path / "link").source == FolderConnector(tmp_path / "root").source
    assert keys(tmp_path / "link") == ["a.txt"]


def test_the_version_changes_with_content_and_not_with_mode_or_name(tmp_path: Path) -> None:
    path = put(tmp_path / "a.txt")
    before = item(tmp_path, "a.txt").version
    path.chmod(0o600)
    assert item(tmp_path, "a.txt").version == before
    path.rename(tmp_path / "b.txt")
    assert item(tmp_path, "b.txt").version == before
    put(tmp_path / "b.txt", "y")
    os.utime(tmp_path / "b.txt", ns=(1, path.parent.stat().st_mtime_ns + 1))
    assert item(tmp_path, "b.txt").version != before


def test_reading_copies_and_says_when_it_is_gone(tmp_path: Path) -> None:
    put(tmp_path / "a.txt", "content")
    found = item(tmp_path, "a.txt")
    FolderConnector(tmp_path).read(found, tmp_path / ".copy")
    assert (tmp_path / ".copy").read_text() == "content"
    (tmp_path / "a.txt").unlink()
    with pytest.raises(NotFoundError, match=r"a\.txt is gone"):
        FolderConnector(tmp_path).read(found, tmp_path / ".copy")
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(NotFoundError, match="regular"):
        FolderConnector(tmp_path).read(found, tmp_path / ".copy")


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    path = put(tmp_path / "a.txt", "old")
    os.utime(path, ns=(1, 1))
    descriptor = os.open(path, os.O_RDONLY)
    waits: list[float] = []
    true_copy = files._copied

    def changing(times: int) -> None:
        left = [times]

        def copied(source: int, into: Path) -> int:
            size = true_copy(source, into)
            if left[0]:
                left[0] -= 1
                path.write_text(f"new {left[0]}")
            return size

        files._copied = copied

    try:
        changing(2)
        files.copy(descriptor, "a.txt", tmp_path / "copy", waits.append)
        assert (tmp_path / "copy").read_text() == "new 0"
        assert waits == [0.2, 0.4]
        changing(99)
        with pytest.raises(StoreError, match="changed each of 4 times"):
            files.copy(descriptor, "a.txt", tmp_path / "copy", waits.append)
    finally:
        files._copied = true_copy
        os.close(descriptor)


def test_a_root_that_is_gone_or_no_folder_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root / "a.txt")
    connector = FolderConnector(root)
    assert len(list(connector.items())) == 1
    root.rename(tmp_path / "moved")
    with pytest.raises(StoreError, match=r"cannot be opened.*Nothing was removed"):
        list(connector.items())
    put(root)
    with pytest.raises(StoreError, match="Not a directory"):
        list(connector.items())


def test_a_root_that_is_suddenly_empty_is_refused_unless_forced(tmp_path: Path) -> None:
    connector = FolderConnector(tmp_path)
    assert list(listed(connector, known=0)) == []
    with pytest.raises(StoreError, match="had 12 documents and lists none"):
        list(listed(connector, known=12))
    assert list(listed(connector, known=12, forced=True)) == []
    put(tmp_path / "a.txt")
    assert len(list(listed(connector, known=12))) == 1


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a" / "a.txt")
    put(tmp_path / "b" / "b.txt")
    true_open = os.open

    def refused(path: str, flags: int, *more: object, **named: object) -> int:
        if path == "b":
            raise PermissionError(13, "Permission denied")
        return true_open(path, flags, *more, **named)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(StoreError, match=r"/b cannot be listed: Permission denied.*rightsized-ignore"):
        keys(tmp_path)
    put(tmp_path / ".rightsized-ignore", "b/\n")
    assert keys(tmp_path) == ["a/a.txt"]


def test_names_that_are_no_utf8_and_folders_without_end(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9 \\x41.txt"
    Path(os.fsdecode(raw)).write_text("latin")
    (found,) = FolderConnector(tmp_path).items()
    assert found.key == "caf\\xe9 \\x41.txt"
    found.key.encode()
    deep = tmp_path
    for _ in range(DEEPEST + 2):
        deep /= "d"
    deep.mkdir(parents=True)
    with pytest.raises(StoreError, match="folders deep"):
        keys(tmp_path)


def test_reading_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("latin")
    (found,) = FolderConnector(tmp_path).items()
    FolderConnector(tmp_path).read(found, tmp_path / ".copy")
    assert (tmp_path / ".copy").read_text() == "latin"


def test_addresses(tmp_path: Path) -> None:
    put(tmp_path / "a.txt")
    plain, named = (open_connector(f"{scheme}{tmp_path}", Egress()) for scheme in ("", "folder:"))
    assert plain.source == named.source == f"folder:{tmp_path}"
    with pytest.raises(NotFoundError, match=r"'ftp'.*folder"):
        open_connector("ftp://example.com", Egress())


def test_watching_tells_keys(tmp_path: Path) -> None:
    put(tmp_path / "sub" / "a.txt")

    async def watched() -> set[str]:
        found: set[str] = set()
        told = changes(tmp_path, quiet_ms=50, longest_ms=200)

        async def collect() -> None:
            async for keys_now in told:
                found.update(keys_now)
                if {"sub/a.txt", "new.txt", "sub"} <= found:
                    return

        waiting = asyncio.create_task(collect())
        for _ in range(100):  # until the watch stands, changes go unseen
            put(tmp_path / "sub" / "a.txt", "y")
            put(tmp_path / "new.txt")
            put(tmp_path / ".hidden")
            put(tmp_path / "sub" / ".rightsized-access.toml", "")
            await asyncio.sleep(0.1)
            if waiting.done():
                break
        await asyncio.wait_for(waiting, 20)
        await told.aclose()  # type: ignore[attr-defined]  # an async generator
        return found

    assert asyncio.run(watched()) <= {"sub/a.txt", "new.txt", "sub"}
