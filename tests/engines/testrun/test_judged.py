"""Right answers pass and wrong ones fail, whatever passes between both processes."""

from __future__ import annotations

import pytest

from rightsized.core.generation import GivenTests
from rightsized.core.run_tests import RunTestsConfig
from rightsized.engines.testrun.runner import Runner, digest
from tests.engines.testrun.conftest import run

pytestmark = pytest.mark.needs_userns

CODE = """
import asyncio, collections, math
from dataclasses import dataclass

LIMIT = 10 ** 30
counter = 0

class TooMuch(ValueError):
    pass

@dataclass(frozen=True, order=True)
class Point:
    x: int
    y: int = 0
    def __add__(self, other): return Point(self.x + other.x, self.y + other.y)
    def norm(self): return math.hypot(self.x, self.y)

class Box(list):
    def first(self): return self[0]

class Stack:
    def __init__(self): self._items, self.name = [], "s"
    def push(self, one): self._items.append(one); return self
    def __len__(self): return len(self._items)
    def __iter__(self): return iter(self._items)
    def __getitem__(self, at): return self._items[at]
    def __contains__(self, one): return one in self._items
    def __enter__(self): return self
    def __exit__(self, *rest): return False

Pair = collections.namedtuple("Pair", "left right")

def same(value): return value
def reverse(values): values.reverse()
def fill(table): table["new"] = [1]
def numbers(n): yield from range(n)
def applied(function, values): return [function(v) for v in values]
def total(values): return sum(values)
def check(amount):
    if amount > 3: raise TooMuch("too much", amount)
    if amount < 0: raise KeyError("negative")
    return amount
def depth(node): return 0 if node is None else 1 + max(depth(node.left), depth(node.right))
def insert(node, kind, value):
    node.left = kind(value)
    return node
def tick():
    global counter
    counter += 1
async def later(x):
    await asyncio.sleep(0)
    return x * 2
def keyed(*, a, b=2): return (a, b)
"""

TESTS = """
import collections, datetime, decimal, fractions, unittest
import answer

def test_values_come_back_as_they_are():
    for value in (None, True, 3, LIMIT, -2.5, float("inf"), "a\\ud800b", b"x", [1, (2, {3})], {"a": {1: [None]}}, 2j,
                  range(3, 9, 2), frozenset({1}), decimal.Decimal("1.10"), fractions.Fraction(1, 3),
                  datetime.date(2026, 1, 2), datetime.timedelta(1, 2), collections.Counter("aab"),
                  collections.deque([1]), collections.OrderedDict(a=1), bytearray(b"y")):
        back = same(value)
        assert back == value and type(back) is type(value), value

def test_what_a_call_changes_is_changed():
    values, table = [1, 2, 3], {}
    reverse(values)
    fill(table)
    assert values == [3, 2, 1] and table == {"new": [1]}

def test_objects():
    point = Point(3, 4)
    assert point.norm() == 5 and point + Point(1) == Point(4, 4) and point != Point(3) and point < Point(9)
    assert isinstance(point, Point) and not isinstance(3, Point) and repr(point) == "Point(x=3, y=4)"
    assert {point: 1}[Point(3, 4)] == 1
    try:
        point.x = 5
    except AttributeError:
        pass
    else:
        raise AssertionError

def test_containers():
    with Stack() as stack:
        stack.push(1).push([2])
    assert len(stack) == 2 and list(stack) == [1, [2]] and stack[0] == 1 and 1 in stack and 7 not in stack and stack
    stack.name = "t"
    assert stack.name == "t" and not Stack()
    assert Box([1, 2]) == [1, 2] and Box([1, 2]).first() == 1 and Box([1]) != [2]
    pair = Pair(1, "b")
    assert pair == (1, "b") and pair.right == "b"

def test_errors():
    for amount, kind, arguments in ((5, TooMuch, ("too much", 5)), (-1, KeyError, ("negative",))):
        try:
            check(amount)
        except kind as error:
            assert error.args == arguments
        else:
            raise AssertionError
    try:
        check(9)
    except ValueError as error:
        assert isinstance(error, answer.TooMuch)
    try:
        check("a")
    except TypeError:
        pass

def test_iterators_and_functions_of_the_tests():
    assert list(numbers(4)) == [0, 1, 2, 3] and sum(numbers(4)) == 6 and next(numbers(2)) == 0
    seen = []
    assert applied(lambda v: seen.append(v) or v + 1, (1, 2)) == [2, 3] and seen == [1, 2]
    assert total(n * n for n in range(4)) == 14
    def broken(v):
        raise LookupError("mine")
    try:
        applied(broken, [1])
    except LookupError as error:
        assert error.args == ("mine",)
    else:
        raise AssertionError

class Node:
    def __init__(self, value, left=None, right=None):
        self.value, self.left, self.right = value, left, right

def test_objects_of_the_tests():
    root = Node(1, Node(2, Node(3)), None)
    assert depth(root) == 3
    assert insert(root, Node, 7) is root and isinstance(root.left, Node) and root.left.value == 7

def test_the_module_is_as_it_is_now():
    tick()
    tick()
    assert answer.counter == 2 and keyed(a=1) == (1, 2)

async def test_coroutines():
    assert await later(4) == 8

class Cases(unittest.TestCase):
    def setUp(self):
        self.stack = Stack()

    def test_one(self):
        with self.assertRaises(IndexError):
            self.stack[0]

    def test_two(self):
        self.assertEqual(same([1]), [1])
"""


def test_a_right_answer_passes(runner: Runner) -> None:
    found = run(runner, CODE, TESTS)
    assert (found.outcome, found.reason) == ("passed", "")
    assert found.ran == 12  # the body, nine functions, two cases
    assert found.tests == digest(TESTS)


@pytest.mark.parametrize(
    ("tests", "line"),
    [
        ("assert check(2) == 3", 1),
        ("def test():\n    assert check(2) == 3\ndef test_it():\n    test()", 2),
        ("x = 1\ncheck(9)", 2),
        ("import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(check(2), 3)", 3),
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        for n in 2, 3:\n"
            "            with self.subTest(n):\n                self.assertEqual(check(n), 2)",
            6,
        ),
        ("assert nothing_of_that_name() == 1", 1),
        ("async def test_later():\n    assert await later(4) == 9", 2),
        ("values = [1, 2]\nreverse(values)\nassert values == [1, 2]", 3),
    ],
)
def test_a_wrong_answer_fails_and_the_line_is_told(runner: Runner, tests: str, line: int) -> None:
    found = run(runner, CODE, tests)
    assert (found.outcome, found.line) == ("failed", line)


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ("assert (", "the tests cannot be parsed"),
        ("import pytest", "the tests need a module that is not in the standard"),
    ],
)
def test_tests_that_cannot_be_run_are_no_result(runner: Runner, tests: str, reason: str) -> None:
    found = run(runner, CODE, tests)
    assert found.outcome == "not-run"
    assert found.reason.startswith(reason)


def test_the_code_is_taken_from_the_answer() -> None:
    runner = Runner(RunTestsConfig(run=True))
    found = runner.run(GivenTests("assert f()"), "I do not know.")
    assert (found.outcome, found.reason, found.code) == ("failed", "the answer holds no code", "")


def test_blocks_that_define_something_are_run_and_others_are_not(runner: Runner) -> None:
    answer = (
        "First:\n```python\ndef a(): return 1\n```\nthen\n```python\ndef b(): return a() + 1\n```\n"
        "Try it:\n```python\nprint(b(), input())\n```\n```bash\nrm -rf /\n```"
    )
    assert runner.run(GivenTests("assert b() == 2"), answer).outcome == "passed"
