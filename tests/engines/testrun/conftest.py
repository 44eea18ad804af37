"""A runner for all tests here, where the machine lets one be."""

from __future__ import annotations

import pytest

from rightsized.core.generation import GivenTests, RunResult
from rightsized.core.run_tests import RunTestsConfig
from rightsized.engines.testrun.runner import Runner


@pytest.fixture(scope="session")
def runner() -> Runner:
    """Patient, for a busy machine; skips where nothing can be enclosed."""
    found = Runner(RunTestsConfig(run=True, seconds=60, memory_mb=256))
    if why := found.missing():
        pytest.skip(why)
    return found


@pytest.fixture(scope="session")
def impatient(runner: Runner) -> Runner:
    """For what never ends."""
    return Runner(RunTestsConfig(run=True, seconds=0.5))


def run(runner: Runner, code: str, tests: str) -> RunResult:
    """The tests against an answer that holds this code."""
    return runner.run(GivenTests(tests), f"Here it is:\n```python\n{code}\n```\n")
