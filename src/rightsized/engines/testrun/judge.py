"""The process that judges: runs the tests, which find the names of the answer as stand-ins for what is elsewhere.

No code of the answer ever runs here: it cannot end this process, change what `assert` compares with, or say that tests
have passed. Standard library only.
"""

from __future__ import annotations

import asyncio.coroutines
import builtins
import importlib
import inspect
import sys
import traceback
from types import ModuleType
from typing import Any, NamedTuple

from rightsized.engines.testrun.answering import NAME
from rightsized.engines.testrun.far import Far, Reserved, Side
from rightsized.engines.testrun.wire import WireError

TESTS, FILE = "tests", "tests.py"  # the module's name
BUILT_IN = frozenset(dir(builtins))


UNPARSED = "the tests cannot be parsed"
MISSING = "the tests need a module that is not in the standard library"
UNLOADED = "the answer cannot be loaded"
RAISED = "a test raised an error"
ENDED = "the answer ended its process"
UNREADABLE = "the answer gave what cannot be read"
ASSERTION = "an assertion does not hold"
MEMORY = "out of memory"
REASONS = frozenset(("", UNPARSED, MISSING, UNLOADED, RAISED, ENDED, UNREADABLE, ASSERTION, MEMORY))


class Verdict(NamedTuple):
    """`outcome`: passed, failed or not-run; `reason`: one of REASONS; `ran`: tests that ended; `line`: of
    the tests, where the first failed; 0 where none did."""

    outcome: str
    reason: str
    ran: int
    line: int = 0


class _Module(ModuleType):
    """`import answer` in a test: every look finds what the name holds now."""

    def __init__(self, root: Far, modules: dict[str, ModuleType]) -> None:
        super().__init__(NAME)
        self.__dict__.update(modules, _root=root)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.__dict__["_root"].look(name)


def judge(tests: str, reading: int, writing: int) -> Verdict:
    """Run the tests: the module's body, then each `test_` function without parameters, then each `unittest.TestCase`.

    Names of the answer that are built-in names (`all`, `len`) are not put before the tests, where they would stand in
    for the built-in ones: those are found as `answer.all`.
    """
    try:
        code = compile(tests, FILE, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Verdict("not-run", UNPARSED, 0)
    side = Side(reading, writing, Reserved(TESTS))
    try:
        return _judged(code, side)
    except _MissingError:
        return Verdict("not-run", MISSING, 0)


class _MissingError(Exception):
    pass


def _judged(code: Any, side: Side) -> Verdict:
    ran = 0
    module = ModuleType(TESTS)
    sys.modules[TESTS] = module
    try:
        root = Far(side, 0)
        names = root.load()
        for name in names:
            if name not in BUILT_IN:
                module.__dict__[name] = root.look(name)
        sys.modules[NAME] = _Module(
            root, {name: one for name, one in vars(module).items() if isinstance(one, ModuleType)}
        )
        side.modules = False  # from here on what the answer hands over is values and objects of its own
    except BaseException as error:  # noqa: BLE001 - whatever the answer raises while it is loaded
        return Verdict("failed", _reason(error, side, UNLOADED), 0)
    own = set(module.__dict__)
    try:
        exec(code, module.__dict__)  # noqa: S102 - what this process is for
        ran += 1
        for one in _functions(module, own):
            _awaited(one())
            ran += 1
        ran += _cases(module)
    except BaseException as error:  # noqa: BLE001 - whatever a test raises, SystemExit included
        if isinstance(error, ModuleNotFoundError) and not side.gone and error.name and error.name != NAME:
            raise _MissingError from None
        return Verdict("failed", _reason(error, side, RAISED), ran, _line(error))
    if side.gone:  # a test may catch everything
        return Verdict("failed", ENDED, ran)
    return Verdict("passed", "", ran)


def _functions(module: ModuleType, before: set[str]) -> list[Any]:
    """Functions called `test_...` that the tests define and that need no argument, in order."""
    return [
        one
        for name, one in list(vars(module).items())
        if name.startswith("test_") and inspect.isfunction(one) and one.__module__ == TESTS
        if not any(
            p.default is p.empty and p.kind < p.VAR_POSITIONAL for p in inspect.signature(one).parameters.values()
        )
    ]


def _awaited(value: Any) -> None:
    if asyncio.coroutines.iscoroutine(value):
        importlib.import_module("asyncio").run(value)


def _cases(module: ModuleType) -> int:
    """Run the cases of unittest, where the tests import it; how many ran. Raises what the first of them raised."""
    unittest = sys.modules.get("unittest")
    if unittest is None:
        return 0
    suite = unittest.TestSuite()
    for one in list(vars(module).values()):
        if isinstance(one, type) and issubclass(one, unittest.TestCase) and one.__module__ == TESTS:
            suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(one))
    result, errors = unittest.TestResult(), list[BaseException]()
    result.addError = result.addFailure = lambda _, found: errors.append(found[1])
    result.addSubTest = lambda _, __, found: errors.append(found[1]) if found else None
    suite.run(result)
    if errors:
        raise errors[0]
    if result.unexpectedSuccesses:
        raise AssertionError
    return int(result.testsRun)


def _line(error: BaseException) -> int:
    """The innermost line of the tests that the error came through."""
    frames = traceback.walk_tb(error.__traceback__)
    return next((line for frame, line in reversed(list(frames)) if frame.f_code.co_filename == FILE), 0)


def _reason(error: BaseException, side: Side, otherwise: str) -> str:
    if side.gone or isinstance(error, WireError):
        return ENDED if side.gone else UNREADABLE
    if isinstance(error, AssertionError):
        return ASSERTION
    return MEMORY if isinstance(error, MemoryError) else otherwise
