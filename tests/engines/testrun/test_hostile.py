"""What the enclosure holds against: each attempt fails inside, and each cheat is no pass."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from rightsized.engines.testrun.runner import Runner
from tests.engines.testrun.conftest import run
from tests.engines.testrun.hostile import ATTEMPTS, CHEATS, TRY

pytestmark = pytest.mark.needs_userns
OF_X86_64 = ("makes-namespaces-again", "calls-by-the-other-abi")


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_fails_inside(runner: Runner, name: str, tmp_path: Path) -> None:
    if name in OF_X86_64 and platform.machine() != "x86_64":
        pytest.skip("its numbers are those of x86-64")
    home = tmp_path / "home"
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "signing.key").write_text("secret", "utf-8")
    code, tests = ATTEMPTS[name]
    found = run(runner, TRY + code, tests.replace("HOME", str(home)))
    assert (found.outcome, found.reason) == ("passed", ""), name


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_does_not_pass(runner: Runner, impatient: Runner, name: str) -> None:
    code, tests, outcome, words = CHEATS[name]
    found = run(impatient if outcome == "timeout" else runner, code, tests)
    assert found.outcome == outcome, found
    assert words in found.reason


@pytest.mark.parametrize("name", ["reads-the-password-file", "opens-a-socket", "starts-a-program", "signals-others"])
def test_tests_are_shut_in_as_well(runner: Runner, name: str) -> None:
    code, tests = ATTEMPTS[name]
    assert run(runner, "def f(): return 1", f"{TRY}{code}\n{tests}").outcome == "passed"


@pytest.mark.parametrize(
    ("tests", "outcome", "reason"),
    [
        ("import os\nos._exit(0)", "failed", "the tests ended their process"),
        ("import os\nos.write(1, b'x' * 10**6)", "failed", "the tests ended their process"),
        (
            'import os\nos.write(1, b\'["failed","buy now",1,1]\')\nos._exit(0)',
            "failed",
            "the tests said something else",
        ),
        ('import os\nos.write(1, b\'["failed","",-1,1]\')\nos._exit(0)', "failed", "the tests ended their process"),
    ],
)
def test_nothing_that_tests_say_gets_on_record(runner: Runner, tests: str, outcome: str, reason: str) -> None:
    found = run(runner, "def f(): return 1", tests)
    assert (found.outcome, found.reason) == (outcome, reason)


NAMESPACE = ["unshare", "--user", "--map-root-user", "--"]
INSIDE = """
import sys
from rightsized.core.generation import GivenTests
from rightsized.core.run_tests import RunTestsConfig
from rightsized.engines.testrun.runner import Runner
found = Runner(RunTestsConfig(run=True)).run(GivenTests(sys.argv[1]), sys.argv[2])
print(found.outcome, found.reason, sep="|")
"""


def inside(before: str, tests: str, code: str) -> tuple[str, str]:
    """Outcome and reason of a run by somebody who is root in a namespace of one user, and nobody outside it."""
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs unshare and namespaces of users")
    shell = [*NAMESPACE, "sh", "-c", f'{before} exec "$@"', "sh", sys.executable, "-c", INSIDE, tests, code]
    done = subprocess.run(shell, capture_output=True, text=True, check=True)
    outcome, _, reason = done.stdout.strip().partition("|")
    return outcome, reason


def test_somebody_without_privileges_encloses_as_well() -> None:
    code = "import os\ndef f(): return [os.getuid(), os.getpid(), 'etc' in os.listdir('/')]"
    assert inside("", "assert f() == [65534, 1, False]", code) == ("passed", "")


def test_nothing_runs_where_the_machine_gives_no_namespace() -> None:
    outcome, reason = inside("echo 0 > /proc/sys/user/max_user_namespaces;", "assert f()", "def f(): return 1")
    assert outcome == "not-run"
    assert reason.startswith("it cannot be isolated: this machine gives no user namespace")


FOREVER = """
from rightsized.core.generation import GivenTests
from rightsized.core.run_tests import RunTestsConfig
from rightsized.engines.testrun.runner import Runner
Runner(RunTestsConfig(seconds=600)).run_code(GivenTests("f()"), "def f():\\n    while True: pass")
"""
EACH = 5  # the one that started, and of two runs the process outside and the one inside


def test_they_end_with_whoever_started_them_even_when_that_is_killed(runner: Runner) -> None:
    parent = psutil.Popen([sys.executable, "-c", FOREVER])
    try:
        family = _until(lambda: [parent, *parent.children(recursive=True)], lambda found: len(found) == EACH)
        parent.kill()
        parent.wait()
        _until(lambda: [one for one in family if one.is_running() and one.status() != "zombie"], lambda left: not left)
    finally:
        if parent.is_running():
            parent.kill()
            parent.wait()


def _until(look: Callable[[], list[Any]], enough: Callable[[list[Any]], bool]) -> list[Any]:
    found: list[Any] = []
    for _ in range(600):
        try:
            found = look()
        except psutil.NoSuchProcess:
            continue
        if enough(found):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_nothing_is_left_behind(runner: Runner, impatient: Runner) -> None:
    """Neither of a run that ended nor of one that was ended; no child waits to be buried."""
    before = {one.pid for one in psutil.Process().children(recursive=True)}
    run(runner, "def f(): return 1", "assert f() == 1")
    run(impatient, *CHEATS["sleeps"][:2])
    for _ in range(100):
        left = [one for one in psutil.Process().children(recursive=True) if one.pid not in before]
        if not left:
            return
        time.sleep(0.02)
    raise AssertionError(left)
