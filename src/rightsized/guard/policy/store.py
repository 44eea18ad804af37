"""The policy in force: read once, and again where the file has changed. Taking one up swaps one reference.

A file that has become wrong, or is gone, leaves the last good one in force and says so: a slip of the pen must open
nothing. Only a start without a file runs without a policy, and only where the settings name none.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

from rightsized.core.errors import ConfigError
from rightsized.core.generation import DATA_CLASSES, DataClass
from rightsized.guard.policy import file
from rightsized.guard.policy.file import PolicyFile

log = logging.getLogger("rightsized.policy")
Stamp = tuple[int, int, int]


class PolicyStore:
    """Holds the policy.

    Args:
        path: the file.
        required: whether it must be there (the settings name it).
        undeclared: class of a request that declares none.
        enforced: checks of outputs that something here performs.
    Raises:
        ConfigError: the file is wrong, or required and not there.
    """

    def __init__(
        self,
        path: Path,
        *,
        required: bool = False,
        undeclared: DataClass = DATA_CLASSES[-1],
        enforced: Collection[str] = (),
    ) -> None:
        self.path, self.undeclared, self._enforced = path, undeclared, frozenset(enforced)
        self.problem = ""  # why the file as it is now is not in force; empty where it is
        self._stamp = self._look()
        self.current: PolicyFile | None = None
        if required or self._stamp is not None:
            self.current = file.read(path, enforced=self._enforced)

    def refresh(self) -> bool:
        """Take up a changed file; whether another policy is in force now. Raises nothing: see `problem` and the log."""
        before = self.problem
        changed = self._refreshed()
        if changed and self.current is not None:
            log.info("The policy in force is now %s (%s).", self.path, self.current.digest)
        if self.problem and self.problem != before:
            log.error("%s", self.problem)
        return changed

    def _refreshed(self) -> bool:
        stamp = self._look()
        if stamp == self._stamp:
            return False
        if stamp is None:
            self._stamp = None
            if self.current is not None:
                self.problem = f"{self.path} is gone; the policy read from it before stays in force."
            return False
        try:
            found = file.read(self.path, enforced=self._enforced)
        except ConfigError as error:
            self._stamp, self.problem = stamp, f"{error} What was in force before stays in force."
            return False
        self._stamp, self.problem = stamp, ""
        changed = self.current is None or found.digest != self.current.digest
        self.current = found
        return changed

    def _look(self) -> Stamp | None:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
