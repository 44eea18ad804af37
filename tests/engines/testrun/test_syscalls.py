"""The filter of system calls, for both kinds of machine: worked through as the kernel would; its numbers looked up."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from rightsized.engines.testrun import syscalls
from rightsized.engines.testrun.syscalls import ALLOW, AUDIT, BY_VALUE, CALLS, CLONE, CLONE3, ENOSYS, EPERM, ERRNO

HEADERS = {
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), re.compile(r"#define __NR_(\w+)\s+(\d+)")),
    "aarch64": (Path("/usr/include/asm-generic/unistd.h"), re.compile(r"#define __NR(?:3264)?_(\w+)\s+(\d+)")),
}
GENERIC = {"newfstatat": "fstatat"}  # what the same call is named there
MACHINES = tuple(AUDIT)
REFUSED = ERRNO | EPERM


def verdict(machine: str, number: int, *arguments: int, audit: int = 0) -> int:
    """What the filter says of a call (classic BPF, `Documentation/networking/filter.rst`)."""
    given = [*arguments, *[0] * 6][:6]
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, audit or AUDIT[machine], 0, *given)
    steps = list(struct.iter_unpack("=HBBI", syscalls.program(machine)))
    at, register = 0, 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        if code == syscalls.GIVE:
            return int(value)
        if code == syscalls.LOAD:
            register = struct.unpack_from("=I", data, value)[0]
        else:
            holds = {
                syscalls.EQUAL: register == value,
                syscalls.AT_LEAST: register >= value,
                syscalls.ANY_BIT: bool(register & value),
            }[code]
            at += yes if holds else no


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_on_the_list_is_allowed_and_nothing_else(machine: str) -> None:
    column = MACHINES.index(machine)
    allowed = {numbers[column] for numbers in CALLS.values()} - {-1}
    special = {CLONE[column], CLONE3[column], *(numbers[column] for numbers, _, _ in BY_VALUE.values())}
    for number in range(600):
        if number not in special:
            assert verdict(machine, number) == (ALLOW if number in allowed else REFUSED), number


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_hang_on_an_argument(machine: str) -> None:
    column = MACHINES.index(machine)
    assert verdict(machine, CLONE[column], 17) == REFUSED  # fork: SIGCHLD and no flag
    assert verdict(machine, CLONE[column], 0x003D0F00) == ALLOW  # a thread, as the C library makes one
    assert verdict(machine, CLONE[column], 0x10000000 | 17) == REFUSED  # a namespace of users
    assert verdict(machine, CLONE3[column]) == ERRNO | ENOSYS
    (ioctl, _, controls), (pair, _, kinds) = BY_VALUE["ioctl"], BY_VALUE["socketpair"]
    assert [verdict(machine, ioctl[column], 0, one) for one in controls] == [ALLOW] * len(controls)
    assert verdict(machine, ioctl[column], 0, 0x5412) == REFUSED  # puts characters into a terminal
    assert [verdict(machine, pair[column], one) for one in (*kinds, 2, 10, 16)] == [ALLOW] + [REFUSED] * 3


@pytest.mark.parametrize("machine", MACHINES)
def test_other_machines_and_the_other_abi_are_refused(machine: str) -> None:
    number = CALLS["read"][MACHINES.index(machine)]
    assert verdict(machine, number) == ALLOW
    assert verdict(machine, number, audit=0x40000003) == REFUSED  # 32 bits
    assert verdict(machine, number | syscalls.X32) == REFUSED


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_those_of_the_kernel(machine: str) -> None:
    path, pattern = HEADERS[machine]
    if not path.is_file():
        pytest.skip(f"needs {path} (Debian: linux-libc-dev)")
    known = {name: int(number) for name, number in pattern.findall(path.read_text("utf-8"))}
    named = {**CALLS, **{name: value[0] for name, value in BY_VALUE.items()}, "clone": CLONE, "clone3": CLONE3}
    for name, numbers in named.items():
        number = numbers[MACHINES.index(machine)]
        assert known.get(name, known.get(GENERIC.get(name, name), -1)) == number, name


def test_a_machine_without_a_table_has_no_filter() -> None:
    with pytest.raises(KeyError):
        syscalls.program("riscv64")
