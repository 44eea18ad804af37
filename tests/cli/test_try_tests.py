"""`rightsized calibrate try-tests`: what tests come to, before they are sent with a request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rightsized.core.run_tests import RunTestsConfig
from rightsized.engines.testrun.runner import Runner
from tests.command_line import command

pytestmark = pytest.mark.needs_userns


@pytest.fixture(autouse=True)
def _enclosures() -> None:
    if why := Runner(RunTestsConfig()).missing():
        pytest.skip(why)


def test_outcome_line_and_status(tmp_path: Path) -> None:
    (tmp_path / "tests.py").write_text("assert double(2) == 4\nassert double('a') == 'aa'\n", "utf-8")
    right = 'Here:\n```python\ndef double(x):\n    """Twice."""\n    return x * 2\n```\n'
    (tmp_path / "right.md").write_text(right, "utf-8")
    (tmp_path / "wrong.py").write_text('def double(x):\n    "```"\n    return x + 2\n', "utf-8")
    done = command("calibrate", "try-tests", "right.md", "tests.py", "--json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "passed")
    done = command("calibrate", "try-tests", "wrong.py", "tests.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "failed: a test raised an error (line 2 of tests.py)" in done.stdout
    assert command("calibrate", "try-tests", "none.md", "tests.py", cwd=tmp_path).returncode != 0
