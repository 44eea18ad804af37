"""Runs a command of the command line inside the test's own process: what is tested is seldom the start of another.

Argument parsing, output, errors and exit status are those of the process; a warning is an error here, as in every test.
Signals, pipes, locks between processes and the first import need a process: `[sys.executable, "-m", "rightsized.cli"]`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from typer.testing import CliRunner

from rightsized.cli import app


def command(
    *arguments: str | Path, cwd: Path | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `rightsized ARGUMENTS` without the settings of this environment, as `subprocess.run` would give it back."""
    words = [str(argument) for argument in arguments]
    hidden = {name: None for name in os.environ if name.startswith("RIGHTSIZED_")}
    with contextlib.chdir(cwd or Path.cwd()):
        found = CliRunner().invoke(app, words, env=hidden, input=stdin, catch_exceptions=False)
    return subprocess.CompletedProcess(["rightsized", *words], found.exit_code, found.stdout, found.stderr)
