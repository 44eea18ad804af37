"""Cores and instruction set, as read from what the system says."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from rightsized.engines import cpu

CPUINFO = """processor : 0
flags		: fpu sse2 avx512_vnni fma avx2 avx

processor : 1
flags		: fpu sse2
"""


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is read instead of the system's files; others are absent."""
    contents: dict[str, str] = {}

    def read(path: Path, *arguments: object) -> str:
        if str(path) not in contents:
            raise FileNotFoundError(path)
        return contents[str(path)]

    monkeypatch.setattr(Path, "read_text", read)
    return contents


def test_extensions_stand_in_a_fixed_order(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    files["/proc/cpuinfo"] = CPUINFO
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert cpu.instruction_set.__wrapped__() == "x86_64 avx avx2 fma avx512_vnni"


def test_system_that_says_nothing(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*arguments: object, **options: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("subprocess.run", absent)
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert cpu.instruction_set.__wrapped__() == "arm64"


@pytest.mark.parametrize(
    ("quota", "expected"), [("max 100000", 8), ("200000 100000", 2), ("50000 100000", 1), ("", 8), ("x", 8)]
)
def test_quota_of_a_container_counts(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    files["/sys/fs/cgroup/cpu.max"] = quota
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert cpu.cores() == expected
    files.clear()
    assert cpu.cores() == 8
