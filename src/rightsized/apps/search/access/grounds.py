"""Decides who may see the files of a folder, on the way down from its root: sidecars first, else the file system.

The nearest sidecar decides alone, those above the root of the listing included. Without one, a file is seen by whoever
may read it and pass through every folder above it, up to the root of the file system.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from rightsized.apps.search.access.names import Names
from rightsized.apps.search.access.posix import READ, SEARCH, allowed, both, read_acl
from rightsized.apps.search.access.sidecar import Sidecar, Trusted, read_sidecar
from rightsized.core.errors import ConfigError, StoreError
from rightsized.core.principals import EVERYONE

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC  # how folders are opened
PASSED = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC  # to pass through needs no right to list


@dataclass(frozen=True)
class Ground:
    """What holds in one folder.

    `passes`: who may pass through all folders down to here. `sidecar` is the nearest. `above` is the path of its folder
    relative to the root of the listing; where it lies above that root, `outer` is that root's path relative to it.
    `broken` says why nobody sees what is here.
    """

    names: Names
    trusted: Trusted
    passes: frozenset[str]
    path: str = ""
    sidecar: Sidecar | None = None
    above: str = ""
    outer: str = ""
    broken: str = ""

    @classmethod
    def at(cls, root: Path, descriptor: int) -> Ground:
        """Of the folder that a listing begins with. Raises StoreError where a folder above cannot be asked."""
        ground = cls(Names(), Trusted.of(os.fstat(descriptor)), frozenset({EVERYONE}))
        for folder in reversed(root.parents):
            try:
                search = allowed(folder.stat(), read_acl(str(folder)), SEARCH, ground.names)
                above = os.open(folder, PASSED)
            except OSError as error:
                raise StoreError(f"Who may pass through {folder} cannot be told: {error.strerror}.") from None
            try:
                outer = f"{root.relative_to(folder).as_posix()}/"
                ground = ground._entered(search, above, str(folder).rstrip("/"), outer)
            finally:
                os.close(above)
        return ground._inside(descriptor, str(root))

    def below(self, name: str, descriptor: int, where: str) -> Ground:
        """Of a folder inside this one. Raises StoreError."""
        return replace(self, path=f"{self.path}{name}/")._inside(descriptor, where)

    def principals(self, name: str, status: os.stat_result, where: str) -> tuple[str, ...]:
        """Who may see a file of this folder, sorted.

        Raises StoreError where its ACL cannot be read, FileNotFoundError where it is gone meanwhile.
        """
        if self.broken:
            return ()
        if self.sidecar is not None:
            return self.sidecar.principals(f"{self.outer}{self.path}{name}".removeprefix(self.above))
        return tuple(sorted(both(self.passes, allowed(status, read_acl(where), READ, self.names), self.names)))

    def _inside(self, descriptor: int, where: str) -> Ground:
        search = allowed(os.fstat(descriptor), read_acl(descriptor), SEARCH, self.names)
        return self._entered(search, descriptor, where)

    def _entered(self, search: frozenset[str], descriptor: int, where: str, outer: str = "") -> Ground:
        if self.broken:
            return self
        passes = both(self.passes, search, self.names)
        try:
            sidecar = read_sidecar(descriptor, where, self.trusted)
        except ConfigError as error:
            return replace(self, broken=str(error))
        if sidecar is None:
            return replace(self, passes=passes)
        return replace(self, passes=passes, sidecar=sidecar, above=self.path, outer=outer)
