"""`rightsized calibrate try-tests`: run tests against an answer as service would, and say what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from rightsized.cli.commands import Common, Result
from rightsized.core.errors import InputError, NotFoundError

FAILED = 1


@dataclass(frozen=True, kw_only=True)
class TryOptions(Common):
    answer: Annotated[Path, typer.Argument(help="File with the answer: text with blocks of Python, or Python alone.")]
    tests: Annotated[Path, typer.Argument(help="File with the tests, in Python.")]


def try_tests(options: TryOptions) -> Result:
    """Run tests against the code of an answer, shut in, and say what they come to.

    The way is that of requests and of rows to calibrate on, limits included; [tests] run need not be set. Where this
    machine cannot shut code in, nothing is run, and it says why. The exit status is 0 only where the tests passed.
    """
    from rightsized.core.generation import GivenTests
    from rightsized.engines.testrun.runner import Runner

    answer, tests = _text(options.answer), _text(options.tests)
    runner = Runner(options.settings().tests)
    run = runner.run_code if options.answer.suffix == ".py" else runner.run
    found = run(GivenTests(tests), answer)
    where = f" (line {found.line} of {options.tests.name})" if found.line else ""
    said = f"{found.outcome}{': ' if found.reason else ''}{found.reason}{where}"
    text = f"{said}\n{found.ran} tests ended well, in {found.seconds:.2f} s"
    return Result(found, text, 0 if found.outcome == "passed" else FAILED)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}.") from None
