"""Mode bits and POSIX ACLs as a list of principals: only what is sure to be allowed is listed.

The kernel's rule (acl(5), "Access check algorithm") knows denials, a list of principals does not. Where an entry denies
what a wider one allows, the wider one is left out. NFSv4 and macOS ACLs are not read.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple

from rightsized.apps.search.access.names import Names
from rightsized.core.errors import StoreError
from rightsized.core.principals import EVERYONE

READ, SEARCH = 4, 1  # bits of one class: to read a file, to pass through a folder
ACL = "system.posix_acl_access"
_VERSION = 2
_USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ACL = {errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP} if hasattr(errno, "ENODATA") else {errno.ENOTSUP}


class Entry(NamedTuple):
    """One entry of an ACL. `id` counts for named users and groups only."""

    tag: int
    bits: int
    id: int


def read_acl(path: str | int) -> list[Entry]:
    """The entries of a file's ACL; none where there is no ACL. Raises StoreError where it is there and cannot be read.
    FileNotFoundError passes.

    Args:
        path: a path, or an open descriptor.
    """
    if not hasattr(os, "getxattr"):
        return []
    try:
        data = os.getxattr(path, ACL, follow_symlinks=isinstance(path, int))
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in _NO_ACL:
            return []
        raise StoreError(f"The ACL of {path} cannot be read: {error.strerror}.") from None
    if len(data) < 4 or (len(data) - 4) % 8 or struct.unpack_from("<I", data)[0] != _VERSION:
        raise StoreError(f"The ACL of {path} has a form that is not known.")
    return [Entry(*fields) for fields in struct.iter_unpack("<HHI", data[4:])]


def allowed(status: os.stat_result, acl: list[Entry], bit: int, names: Names) -> frozenset[str]:
    """The principals that surely have a bit, READ or SEARCH, on a file or folder."""
    mode = status.st_mode
    users = {names.user(status.st_uid): bool(mode >> 6 & bit)}
    groups: dict[str, bool] = {}
    if acl:
        mask = next((entry.bits for entry in acl if entry.tag == _MASK), 7)
        for entry in acl:
            has = bool(entry.bits & mask & bit)
            if entry.tag == _USER:
                users.setdefault(names.user(entry.id), has)
            elif entry.tag in (_GROUP_OBJ, _GROUP):
                group = names.group(status.st_gid if entry.tag == _GROUP_OBJ else entry.id)
                groups[group] = groups.get(group, False) or has
    else:
        groups[names.group(status.st_gid)] = bool(stat.S_IMODE(mode) >> 3 & bit)
    other = bool(mode & bit)
    return frozenset(_sure(users, groups, other, names))


def both(first: frozenset[str], second: frozenset[str], names: Names) -> frozenset[str]:
    """Principals that are surely in both: as they stand, or a user who is in one and in a group of the other."""
    if EVERYONE in first:
        return second
    if EVERYONE in second:
        return first
    return frozenset(_within(first, second, names)) | frozenset(_within(second, first, names))


def _sure(users: dict[str, bool], groups: dict[str, bool], other: bool, names: Names) -> Iterator[str]:
    denied = [user for user, has in users.items() if not has]
    if other and all(groups.values()) and not denied:
        yield EVERYONE
        return
    yield from (user for user, has in users.items() if has)
    for group, has in groups.items():
        if has and not any(group in names.groups_of(user) for user in denied):
            yield group


def _within(these: frozenset[str], those: frozenset[str], names: Names) -> Iterator[str]:
    for one in these:
        if one in those or (one.startswith("user:") and not those.isdisjoint(names.groups_of(one))):
            yield one
