"""What a folder leaves out: hidden files, leftovers of programs, and what `.rightsized-ignore` names, as .gitignore."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace

from rightsized.apps.search.access.globs import Glob
from rightsized.core.errors import ConfigError, StoreError

NAME = ".rightsized-ignore"
ALWAYS = ("~$*", "Thumbs.db", "desktop.ini", "*.crdownload", "*.part", "*.swp", "*~", "#*#", "lost+found/")
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Ignored:
    """The rules that hold in one folder: a later one wins, and those of a deeper folder come later.

    `rules`: (length of the path of the folder a rule stands in, whether it takes back, pattern).
    """

    rules: tuple[tuple[int, bool, Glob], ...] = tuple((0, False, Glob(pattern)) for pattern in ALWAYS)

    def entered(self, folder: int, where: str, path: str) -> Ignored:
        """With the rules of an open folder. `path` is relative to the root and ends with a slash, or is empty.

        Raises StoreError, ConfigError.
        """
        try:
            descriptor = os.open(NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            return self
        except OSError as error:
            raise StoreError(f"{where}/{NAME} cannot be read: {error.strerror}.") from None
        with os.fdopen(descriptor, "rb") as file:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = file.read(MOST_BYTES + 1) if regular else b""
        if not regular or len(data) > MOST_BYTES:
            raise ConfigError(f"{where}/{NAME} is no regular file of at most {MOST_BYTES:,} bytes.")
        return replace(self, rules=(*self.rules, *_rules(data, f"{where}/{NAME}", len(path))))

    def leaves_out(self, name: str, path: str, *, folder: bool) -> bool:
        """Whether a file or folder is left out. `path` is relative to the root, `name` its last part."""
        if name.startswith("."):
            return True
        for depth, takes_back, glob in reversed(self.rules):
            if glob.matches(path[depth:], folder=folder):
                return not takes_back
        return False


def _rules(data: bytes, where: str, depth: int) -> list[tuple[int, bool, Glob]]:
    found = []
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where} is no UTF-8: {error}.") from None
    for number, line in enumerate(lines, 1):
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        takes_back = pattern.startswith("!")
        try:
            found.append((depth, takes_back, Glob(pattern[takes_back:].removeprefix("\\"))))
        except ConfigError as error:
            raise ConfigError(f"{where}, line {number}: {error.message}", fix=error.fix) from None
    return found
