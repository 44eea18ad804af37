"""Shuts this process in: namespaces and a root of its own, limits, no privileges, a list of the calls it may make.

Linux, without root and without another program. Standard library only: it is imported by processes that have nothing
else. Each layer stands behind the one before; the kernel is what all of them rest on.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

from rightsized.engines.testrun import syscalls

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
APART = NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
KEPT = ((2, NOSUID), (4, NODEV), (8, NOEXEC), (1024, 1024), (2048, 2048), (4096, 1 << 21))  # statvfs flag, mount flag
DETACH = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 4, 24, 38, 47
CAPABILITY_VERSION_3 = 0x20080522
NOBODY = 65534
STAGE = "/proc"  # a folder that every Linux has and no Python lives in: the new root is put together on top of it
FILES = 1024  # files and folders that the writable place may hold
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
CAPSET = {"x86_64": 126, "aarch64": 91}


class Bounds(NamedTuple):
    """What an enclosed process may use."""

    seconds: int  # processor time
    memory_bytes: int  # address space
    disk_bytes: int  # of its writable place, which lies in memory
    threads: int = 16
    descriptors: int = 64


class RefusedError(Exception):
    """The machine does not offer a layer: nothing may be run."""


def enclose(bounds: Bounds, parent: int) -> None:
    """Returns in the enclosed process, which is the first of its own process namespace. The caller's process only waits
    for it and ends as it ends.

    Args:
        parent: the process that started this one; with it both end.
    Raises:
        RefusedError: a layer is missing; says which. Nothing was run.
    """
    if sys.platform != "linux" or os.uname().machine not in syscalls.AUDIT:
        raise RefusedError(f"it needs Linux on {' or '.join(syscalls.AUDIT)}")
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0 and _known(NOBODY):
        _call(libc.unshare, "a mount namespace", NEWNS)
        _new_root(libc, bounds)
        _step_down(libc)
        _call(libc.unshare, "a user namespace", APART)
    else:
        own = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)
        ids = (
            ("setgroups", "deny"),
            ("gid_map", f"{NOBODY} {os.getegid()} 1"),
            ("uid_map", f"{NOBODY} {os.geteuid()} 1"),
        )
        _call(libc.unshare, "a user namespace", APART)
        for name, text in ids:
            _written(own, name, text)
        os.close(own)
        _new_root(libc, bounds)
    _die_with(libc, parent)
    child = os.fork()
    if child:
        _wait(child)
    _call(libc.prctl, "an end with its parent", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    os.setsid()
    _limit(bounds)
    _drop(libc)
    try:
        syscalls.install(libc)
    except OSError as error:
        raise RefusedError(str(error)) from None


def _call(function: ctypes._NamedFuncPointer, what: str, *arguments: object) -> None:
    if function(*arguments) != 0:
        code = ctypes.get_errno()
        raise RefusedError(f"this machine gives no {what.removeprefix('a ')} ({os.strerror(code)})")


def _written(folder: int, name: str, text: str) -> None:
    try:
        descriptor = os.open(name, os.O_WRONLY, dir_fd=folder)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise RefusedError(f"this machine gives no user namespace ({name}: {error.strerror})") from None


def _known(user: int) -> bool:
    """Whether this namespace of users has that user: the root of one that has itself alone is nobody to the kernel."""
    with Path("/proc/self/uid_map").open(encoding="ascii") as lines:
        ranges = [[int(one) for one in line.split()] for line in lines]
    return any(first <= user < first + count for first, _, count in ranges)


def _step_down(libc: ctypes.CDLL) -> None:
    """From root to nobody: root in a namespace of users would still own root's files to the kernel."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    _call(libc.prctl, "way to step down", PR_SET_DUMPABLE, 0, 0, 0, 0)


def _die_with(libc: ctypes.CDLL, parent: int) -> None:
    """End when whoever started this process ends. Set after the last change of user, which would undo it."""
    _call(libc.prctl, "an end with its parent", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it ended meanwhile


def _wait(child: int) -> None:
    """The life of the process outside: it holds nothing, ends as the enclosed one, and ends that one when told to."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    with contextlib.suppress(OSError):
        os.closerange(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    _, status = os.waitpid(child, 0)
    os._exit(min(128 + os.WTERMSIG(status), 255) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def readable() -> list[str]:
    """The folders that are shown: the standard library, and no package beside it."""
    paths = sysconfig.get_paths()
    found = {os.path.realpath(paths[name]) for name in ("stdlib", "platstdlib")}
    return [one for one in sorted(found) if not any(one.startswith(other + "/") for other in found)]


def _new_root(libc: ctypes.CDLL, bounds: Bounds) -> None:
    """Change to a root that holds the standard library, read-only, and an empty writable folder, and nothing else."""
    folders = readable()
    writable = "/tmp" if not any(one.startswith("/tmp/") for one in folders) else "/scratch"  # noqa: S108 - inside
    masks = [f"{one}/{name}" for one in folders for name in ("site-packages", "dist-packages")]
    os.umask(0)
    _mount(libc, "none", "/", "", REC | PRIVATE, "")
    _mount(libc, "tmpfs", STAGE, "tmpfs", NOSUID | NODEV, "size=1m,nr_inodes=256,mode=755")
    for one in folders:
        Path(STAGE + one).mkdir(0o755, parents=True, exist_ok=True)
        _mount(libc, one, STAGE + one, "", BIND, "")
        _mount(libc, "none", STAGE + one, "", BIND | REMOUNT | RDONLY | NOSUID | NODEV | _flags(STAGE + one), "")
    for mask in masks:
        if Path(STAGE + mask).is_dir():
            _mount(
                libc, "tmpfs", STAGE + mask, "tmpfs", RDONLY | NOSUID | NODEV | NOEXEC, "size=4k,nr_inodes=2,mode=555"
            )
    Path(STAGE + writable).mkdir(0o1777)
    room = f"size={bounds.disk_bytes},nr_inodes={FILES},mode=1777"
    _mount(libc, "tmpfs", STAGE + writable, "tmpfs", NOSUID | NODEV | NOEXEC, room)
    Path(STAGE + "/old").mkdir(0o700)
    os.chdir(STAGE)
    _call(libc.syscall, "a root of its own", PIVOT_ROOT[os.uname().machine], b".", b"old")
    os.chdir("/")
    _call(libc.umount2, "a root of its own", b"/old", DETACH)
    Path("/old").rmdir()
    _mount(libc, "none", "/", "", REMOUNT | BIND | RDONLY | NOSUID | NODEV, "")
    os.chdir(writable)
    os.umask(0o077)


def _flags(path: str) -> int:
    """Flags of a mount that a remount inside a namespace of users must keep."""
    given = os.statvfs(path).f_flag
    return sum(mount for stat, mount in KEPT if given & stat)


def _mount(libc: ctypes.CDLL, source: str, target: str, kind: str, flags: int, data: str) -> None:
    arguments = (source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None)
    _call(libc.mount, f"mount at {target.removeprefix(STAGE) or '/'}", *arguments)


def _limit(bounds: Bounds) -> None:
    for kind, most in (
        (resource.RLIMIT_CPU, bounds.seconds),
        (resource.RLIMIT_AS, bounds.memory_bytes),
        (resource.RLIMIT_FSIZE, bounds.disk_bytes),
        (resource.RLIMIT_NOFILE, bounds.descriptors),
        (resource.RLIMIT_NPROC, bounds.threads),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_SIGPENDING, 64),
    ):
        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails with an error


def _drop(libc: ctypes.CDLL) -> None:
    """No capability, not in this namespace of users either, and none to be had again."""
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    libc.prctl(PR_CAP_AMBIENT, 4, 0, 0, 0)  # clear all
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _call(libc.syscall, "end of privileges", CAPSET[os.uname().machine], header, nothing)
    _call(libc.prctl, "end of privileges", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call(libc.prctl, "end of privileges", PR_SET_DUMPABLE, 0, 0, 0, 0)
