"""Names of users and groups of this machine, and the principals of a login. Asks the system (and so its directory)."""

from __future__ import annotations

import grp
import os
import pwd

from rightsized.core.errors import InputError, NotFoundError
from rightsized.core.principals import checked


class Names:
    """Looks up names once, for one listing: a directory service may be slow."""

    def __init__(self) -> None:
        self._users: dict[int, str] = {}
        self._groups: dict[int, str] = {}
        self._of: dict[str, frozenset[str]] = {}

    def user(self, number: int) -> str:
        """`user:NAME`; `user:#1234` where nobody has this number, or has it by a name that is no principal's."""
        if number not in self._users:
            try:
                self._users[number] = _principal("user", pwd.getpwuid(number).pw_name, number)
            except KeyError:
                self._users[number] = f"user:#{number}"
        return self._users[number]

    def group(self, number: int) -> str:
        """`group:NAME`; `group:#1234` likewise."""
        if number not in self._groups:
            try:
                self._groups[number] = _principal("group", grp.getgrgid(number).gr_name, number)
            except KeyError:
                self._groups[number] = f"group:#{number}"
        return self._groups[number]

    def groups_of(self, user: str) -> frozenset[str]:
        """The groups of `user:NAME`, as principals; none where there is no such login."""
        if user not in self._of:
            try:
                entry = pwd.getpwnam(user.removeprefix("user:"))
                numbers = os.getgrouplist(entry.pw_name, entry.pw_gid)
            except (KeyError, OSError):
                numbers = []
            self._of[user] = frozenset(self.group(number) for number in numbers)
        return self._of[user]


def principals_of_login(name: str) -> tuple[str, ...]:
    """A login of this machine and its groups: `("user:anna", "group:legal", ...)`, the groups sorted.

    Raises NotFoundError where there is no such login.
    """
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise NotFoundError(
            f"This machine has no login {name!r}.", fix="Name principals instead: --as user:NAME --as group:NAME"
        ) from None
    names = Names()
    user = names.user(entry.pw_uid)
    return (user, *sorted(names.groups_of(f"user:{name}")))


def private_group(user: int, group: int) -> bool:
    """Whether a group is a user's own, as many systems give one to each: of the same name, with nobody else in it."""
    try:
        owner, entry = pwd.getpwuid(user), grp.getgrgid(group)
    except KeyError:
        return False
    return entry.gr_name == owner.pw_name and owner.pw_gid == group and set(entry.gr_mem) <= {owner.pw_name}


def _principal(kind: str, name: str, number: int) -> str:
    try:
        return checked([f"{kind}:{name}"])[0]
    except InputError:
        return f"{kind}:#{number}"
