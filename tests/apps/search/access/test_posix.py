"""Mode bits and ACLs beside the kernel's own rule: nobody is listed whom the kernel would refuse."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.apps.search.access import names
from rightsized.apps.search.access.names import Names, principals_of_login, private_group
from rightsized.apps.search.access.posix import ACL, READ, SEARCH, Entry, allowed, both, read_acl
from rightsized.core.errors import NotFoundError, StoreError

GROUPS = {"user:u0": {"group:g0"}, "user:u1": {"group:g0", "group:g1"}, "user:u2": {"group:g1"}, "user:u3": set()}
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32


class Known(Names):
    """Users u0 to u3 and groups g0 and g1."""

    def user(self, number: int) -> str:
        return f"user:u{number}"

    def group(self, number: int) -> str:
        return f"group:g{number}"

    def groups_of(self, user: str) -> frozenset[str]:
        return frozenset(GROUPS[user])


def status(mode: int, owner: int = 0, group: int = 0) -> os.stat_result:
    return cast(os.stat_result, SimpleNamespace(st_mode=mode, st_uid=owner, st_gid=group))


def kernel(user: int, file: os.stat_result, acl: list[Entry], bit: int) -> bool:
    """acl(5), "Access check algorithm", for a process with all groups of the user."""
    mine = {int(name[-1]) for name in GROUPS[f"user:u{user}"]}
    mask = next((entry.bits for entry in acl if entry.tag == MASK), 7)
    if user == file.st_uid:
        return bool(file.st_mode >> 6 & bit)
    for entry in acl:
        if entry.tag == USER and entry.id == user:
            return bool(entry.bits & mask & bit)
    owning = next((entry.bits for entry in acl if entry.tag == GROUP_OBJ), file.st_mode >> 3)
    found = [owning] if file.st_gid in mine else []
    found += [entry.bits for entry in acl if entry.tag == GROUP and entry.id in mine]
    if found:
        return any(bits & mask & bit for bits in found)
    return bool(file.st_mode & bit)


bits = st.integers(0, 7)


@st.composite
def acls(draw: st.DrawFn) -> list[Entry]:
    users = draw(st.dictionaries(st.integers(0, 3), bits, max_size=2))
    groups = draw(st.dictionaries(st.integers(0, 1), bits, max_size=2))
    entries = [Entry(USER, has, number) for number, has in users.items()]
    entries += [Entry(GROUP, has, number) for number, has in groups.items()]
    return [Entry(GROUP_OBJ, draw(bits), 0), *entries, Entry(MASK, draw(bits), 0)] if entries else []


files = st.builds(status, st.integers(0, 0o777), st.integers(0, 3), st.integers(0, 1))


def sees(user: int, principals: frozenset[str]) -> bool:
    name = f"user:u{user}"
    return not principals.isdisjoint({"everyone", name, *GROUPS[name]})


@given(files, acls(), st.sampled_from([READ, SEARCH]))
def test_nobody_is_listed_whom_the_kernel_refuses(file: os.stat_result, acl: list[Entry], bit: int) -> None:
    principals = allowed(file, acl, bit, Known())
    for user in range(4):
        if sees(user, principals):
            assert kernel(user, file, acl, bit), (user, principals)


@given(files, acls(), files, acls())
def test_a_folder_that_refuses_hides_what_is_beneath(
    folder: os.stat_result, above: list[Entry], file: os.stat_result, acl: list[Entry]
) -> None:
    names = Known()
    principals = both(allowed(folder, above, SEARCH, names), allowed(file, acl, READ, names), names)
    for user in range(4):
        if sees(user, principals):
            assert kernel(user, folder, above, SEARCH) and kernel(user, file, acl, READ), (user, principals)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o644, {"everyone"}),
        (0o640, {"user:u0", "group:g0"}),
        (0o600, {"user:u0"}),
        (0o604, {"user:u0"}),  # the group is denied what others may: everyone would be too many
        (0o000, set()),
    ],
)
def test_mode_bits(mode: int, expected: set[str]) -> None:
    assert allowed(status(mode), [], READ, Known()) == expected


def test_the_mask_takes_away() -> None:
    acl = [Entry(GROUP_OBJ, 7, 0), Entry(USER, 7, 2), Entry(GROUP, 7, 1), Entry(MASK, 0, 0), Entry(OTHER, 0, 0)]
    assert allowed(status(0o600), acl, READ, Known()) == {"user:u0"}
    acl[3] = Entry(MASK, 4, 0)
    assert allowed(status(0o640), acl, READ, Known()) == {"user:u0", "group:g0", "user:u2", "group:g1"}


def packed(entries: list[Entry]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="this system has no extended attributes")
def test_acls_are_read_from_real_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    none = 0xFFFFFFFF
    written = [Entry(USER_OBJ, 6, none), Entry(USER, 4, 65534), Entry(GROUP_OBJ, 4, none), Entry(MASK, 4, none)]
    written.append(Entry(OTHER, 0, none))
    try:
        os.setxattr(path, ACL, packed(written))
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            pytest.skip("this file system has no ACLs")
        raise
    assert read_acl(str(path)) == written
    assert Names().user(65534) in allowed(path.stat(), read_acl(str(path)), READ, Names())


def test_an_acl_of_unknown_form_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"", struct.pack("<I", 3), packed([]) + b"123"):
        monkeypatch.setattr(os, "getxattr", lambda *_, data=data, **__: data, raising=False)
        with pytest.raises(StoreError, match="not known"):
            read_acl("file")

    def refused(*_: Any, **__: Any) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "getxattr", refused, raising=False)
    with pytest.raises(StoreError, match="Input/output"):
        read_acl("file")


def test_principals_of_a_login() -> None:
    found = principals_of_login("root")
    assert found[0] == "user:root"
    assert "group:root" in found or "group:wheel" in found
    with pytest.raises(NotFoundError, match="nobody-has-this"):
        principals_of_login("nobody-has-this")


def test_private_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    def known(members: list[str], name: str = "anna", number: int = 7) -> bool:
        monkeypatch.setattr(names.pwd, "getpwuid", lambda _: SimpleNamespace(pw_name="anna", pw_gid=number))
        monkeypatch.setattr(names.grp, "getgrgid", lambda _: SimpleNamespace(gr_name=name, gr_mem=members))
        return private_group(7, 7)

    assert known([])
    assert known(["anna"])
    assert not known(["anna", "ben"])
    assert not known([], name="staff")
    assert not known([], number=8)
    monkeypatch.undo()
    assert not private_group(3999999999, 3999999999)


def test_numbers_without_a_name_stay_numbers() -> None:
    assert Names().user(3999999999) == "user:#3999999999"
    assert Names().group(3999999999) == "group:#3999999999"
    assert Names().groups_of("user:#3999999999") == frozenset()
