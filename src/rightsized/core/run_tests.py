"""Settings of tests that come with requests: whether they are run against the code of an answer, and what follows.

`[tests]` in `rightsized.toml`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from rightsized.core.roles import Role


class RunTestsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Tests that come with requests: whether they are run against the code of an answer, and who may send them."""

    run: bool = False  # run them; false: a request that carries tests is refused
    rule: Literal["weigh", "reject-failed", "require-pass"] = "weigh"  # beside the check: none failed, or only passed
    roles: tuple[Role, ...] = ("admin",)  # roles whose requests may carry tests
    seconds: float = 10.0  # longest that the tests of one answer may take
    memory_mb: int = 512  # address space of each of the two processes, mebibytes
    at_once: int = 2  # answers tested at a time
    queue: int = 64  # answers that may wait for that; more are refused as busy
    max_kb: int = 64  # longest tests taken, kibibytes
