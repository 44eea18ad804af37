"""The system calls that an enclosed process may make: a list of what is allowed, as a seccomp filter in classic BPF.

Everything else fails with EPERM: no program, no process, no socket, no namespace, no mount, no signal, and
few of the device controls. Source: Linux `include/uapi/linux/{filter,seccomp}.h` and the tables of calls of
x86-64 and of `asm-generic/unistd.h` (arm64).
"""

from __future__ import annotations

import ctypes
import platform
import struct

EPERM, ENOSYS = 1, 38
LOAD, EQUAL, AT_LEAST, ANY_BIT, GIVE = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF: load word, jumps, return
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE, FIRST, SECOND = 0, 4, 16, 24  # places in struct seccomp_data; of arguments the low half
CLONE_THREAD = 0x00010000
X32 = 0x40000000  # calls of the other ABI of x86-64 carry this bit
AF_UNIX = 1
IOCTLS = (0x5401, 0x5413, 0x5421, 0x5450, 0x5451)  # ask for a terminal and its size; (non-)blocking; close-on-exec
PR_SET_SECCOMP, MODE_FILTER = 22, 2
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_NONE = -1  # no such call on that machine
# name: (x86-64, arm64)
CALLS: dict[str, tuple[int, int]] = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "lseek": (8, 62), "mmap": (9, 222),
    "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "pread64": (17, 67), "pwrite64": (18, 68),
    "readv": (19, 65), "writev": (20, 66), "mremap": (25, 216), "madvise": (28, 233), "dup": (32, 23),
    "dup3": (292, 24), "dup2": (33, _NONE), "nanosleep": (35, 101), "clock_nanosleep": (230, 115),
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "exit": (60, 93), "exit_group": (231, 94),
    "uname": (63, 160), "fcntl": (72, 25), "flock": (73, 32), "fsync": (74, 82), "fdatasync": (75, 83),
    "truncate": (76, 45), "ftruncate": (77, 46), "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50),
    "open": (2, _NONE), "stat": (4, _NONE), "lstat": (6, _NONE), "access": (21, _NONE), "rename": (82, _NONE),
    "mkdir": (83, _NONE), "rmdir": (84, _NONE), "link": (86, _NONE), "unlink": (87, _NONE), "symlink": (88, _NONE),
    "readlink": (89, _NONE), "chmod": (90, _NONE), "fchmod": (91, 52), "umask": (95, 166),
    "openat": (257, 56), "mkdirat": (258, 34), "newfstatat": (262, 79), "unlinkat": (263, 35), "renameat": (264, 38),
    "renameat2": (316, 276), "linkat": (265, 37), "symlinkat": (266, 36), "readlinkat": (267, 78),
    "fchmodat": (268, 53), "faccessat": (269, 48), "faccessat2": (439, 439), "utimensat": (280, 88),
    "statx": (332, 291), "getdents64": (217, 61), "statfs": (137, 43), "fstatfs": (138, 44),
    "gettimeofday": (96, 169), "time": (201, _NONE), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "getrusage": (98, 165), "times": (100, 153), "sysinfo": (99, 179), "getrlimit": (97, 163),
    "getuid": (102, 174), "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177),
    "sigaltstack": (131, 132), "futex": (202, 98), "set_tid_address": (218, 96), "set_robust_list": (273, 99),
    "rseq": (334, 293), "restart_syscall": (219, 128), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "getrandom": (318, 278), "membarrier": (324, 283), "pipe": (22, _NONE), "pipe2": (293, 59),
    "eventfd2": (290, 19), "select": (23, _NONE), "pselect6": (270, 72), "poll": (7, _NONE), "ppoll": (271, 73),
    "epoll_create1": (291, 20), "epoll_ctl": (233, 21), "epoll_wait": (232, _NONE), "epoll_pwait": (281, 22),
    "sendto": (44, 206), "recvfrom": (45, 207), "setitimer": (38, 103), "getitimer": (36, 102), "alarm": (37, _NONE),
}  # fmt: skip
# Allowed by an argument: the place of its low half, and the values; `clone` only with the bit that makes a thread.
BY_VALUE: dict[str, tuple[tuple[int, int], int, tuple[int, ...]]] = {
    "ioctl": ((16, 29), SECOND, IOCTLS),
    "socketpair": ((53, 199), FIRST, (AF_UNIX,)),  # event loops wake themselves by one; nobody else can reach it
}
CLONE, CLONE3 = (56, 220), (435, 435)  # the newer one hides its flags; without it the C library uses the older


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def program(machine: str) -> bytes:
    """The filter for a machine, as an array of `struct sock_filter`. Raises KeyError: none is written for it."""
    audit, column = AUDIT[machine], ("x86_64", "aarch64").index(machine)
    refuse = (GIVE, 0, 0, ERRNO | EPERM)
    steps = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, audit), refuse, (LOAD, 0, 0, NUMBER)]
    if machine == "x86_64":
        steps += [(AT_LEAST, 0, 1, X32), refuse]
    steps += [(EQUAL, 0, 1, CLONE3[column]), (GIVE, 0, 0, ERRNO | ENOSYS)]
    steps += [(EQUAL, 0, 4, CLONE[column]), (LOAD, 0, 0, FIRST), (ANY_BIT, 0, 1, CLONE_THREAD)]
    steps += [(GIVE, 0, 0, ALLOW), refuse]
    for numbers, place, values in BY_VALUE.values():
        inner = [(LOAD, 0, 0, place)]
        for value in values:
            inner += [(EQUAL, 0, 1, value), (GIVE, 0, 0, ALLOW)]
        steps += [(EQUAL, 0, len(inner) + 1, numbers[column]), *inner, refuse]
    for number in sorted(numbers[column] for numbers in CALLS.values()):
        if number != _NONE:
            steps += [(EQUAL, 0, 1, number), (GIVE, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in (*steps, refuse))


def install(libc: ctypes.CDLL) -> None:
    """Bind this process and all its threads for good. Needs no_new_privs. Raises OSError; KeyError as `program`."""
    code = program(platform.machine())
    filled = _Program(len(code) // 8, code)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(filled), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the filter of system calls is refused")
