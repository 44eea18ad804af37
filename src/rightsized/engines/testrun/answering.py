"""The process that holds the answer: loads its code as the module `answer` and does what the tests ask of it.

Whatever the code does to this process, nothing is decided here. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import sys
from types import ModuleType
from typing import Any

from rightsized.engines.testrun.far import Open, Side
from rightsized.engines.testrun.wire import WireError

NAME = "answer"


class _Root:
    """The first object, by which the other side begins."""

    def __init__(self, code: str) -> None:
        self._code = code
        self.module = ModuleType(NAME)

    def load(self) -> list[str]:
        """Run the code. The names it leaves; raises what it raises."""
        sys.modules[NAME] = self.module
        exec(compile(self._code, "answer.py", "exec"), self.module.__dict__)  # noqa: S102 - what this process is for
        return [name for name in vars(self.module) if not name.startswith("__")]

    def look(self, name: str) -> Any:
        """What a name of the module holds now."""
        return getattr(self.module, name)


def hold(code: str, reading: int, writing: int) -> None:
    """Serve until the tests have ended."""
    side = Side(reading, writing, Open())
    side.begin(_Root(code))
    with contextlib.suppress(WireError, OSError):
        side.serve()
    os._exit(0)
