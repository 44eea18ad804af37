"""This processor: the cores this process may use, and the instruction set that decides how a product is rounded."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

# What ONNX Runtime's kernels are chosen by. A certificate names these: another set may round differently.
_X86 = ("avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")
_ARM = ("asimddp", "i8mm", "sve", "sve2", "bf16")
_APPLE = {"hw.optional.arm.FEAT_DotProd": "asimddp", "hw.optional.arm.FEAT_I8MM": "i8mm"}


def cores() -> int:
    """Cores this process may use: its affinity, cut by a container's quota; at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        return max(1, min(allowed, int(quota) // int(period)))
    except (OSError, ValueError):  # no such file, or "max": no quota
        return allowed


@cache
def instruction_set() -> str:
    """Such as `x86_64 avx avx2 fma`: the architecture, then the extensions found, always in the same order."""
    flags = _flags()
    return " ".join([platform.machine() or "unknown", *(f for f in (*_X86, *_ARM) if f in flags)])


def _flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return _apple_flags()
    listed = [line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features"))]
    return frozenset(listed[0]) if listed else frozenset()


def _apple_flags() -> frozenset[str]:
    try:
        out = subprocess.run(  # noqa: S603 - a fixed command of the system
            ["/usr/sbin/sysctl", *_APPLE], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    found = dict(line.split(": ", 1) for line in out.stdout.splitlines() if ": " in line)
    return frozenset(flag for key, flag in _APPLE.items() if found.get(key) == "1")
