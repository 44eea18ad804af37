"""Labelled exchanges for calibrating a cascade of tiers that write: read and checked, row by row.

A row: {"prompt": text | "messages": [...], "answers": {tier: text}, and either "correct": {tier: true|false} or
"expected": text}. Optional: "label_kind", "logprobs": {tier: [...]}, "samples": {tier: [text, ...]}, "judge": {tier:
true|false} beside people's labels, "conversation", "domain", "response_format", and what the request declared
("data_class" and others, see `chat_declared`). "parameters" is how it wants to be answered, such as {"temperature": 0};
"tests" is code to be run against the answers (`chat_tested`).

A row of `queue export` says where its label comes from. A model or a user picked it, so it only trains; it may hold the
answers of some tiers only, and then teaches about those.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from rightsized.cascade.parameters import OTHER
from rightsized.core.errors import DataError
from rightsized.core.generation import Generation, GivenTests, RunResult, words_of
from rightsized.engines.signals import numbers
from rightsized.engines.signals.final import final_number, final_text
from rightsized.engines.signals.signal import Exchange
from rightsized.tasks.chat_declared import FIELDS as DECLARED
from rightsized.tasks.chat_declared import NOTHING, Declared, declared_of, tests_of
from rightsized.tasks.chat_exchange import completion, exchange_of
from rightsized.tasks.dataset import SOURCE_COLUMN, source_of
from rightsized.tasks.judged import KINDS, LabelRule, check_labels
from rightsized.tasks.records import Finding
from rightsized.tasks.tables import file_sha256, read_rows
from rightsized.tune.duplicates import normalise

FIELDS = (
    "prompt", "messages", "correct", "expected", "label_kind", "logprobs", "samples", "judge", "conversation",
    "domain", "response_format", "parameters", "tests", SOURCE_COLUMN, *DECLARED,
)  # fmt: skip
TESTS = "executed tests"


class ChatRow(Struct, frozen=True):
    """One prompt with the answers of all tiers and whether each is right; `number` is the row in the file, from 1.

    `barred`: why tiers may not be asked in service, by tier (`chat_admission`); of those it may lack the answer.
    `tested`: what its tests came to, by tier; `refused`: why a rule about them lets no answer of a tier be accepted.
    """

    number: int
    body: dict[str, Any]
    answers: dict[str, str]
    correct: dict[str, bool]
    logprobs: dict[str, tuple[float, ...]]
    conversation: str = ""
    domain: str = ""
    train_only: bool = False
    samples: dict[str, tuple[str, ...]] = field(default_factory=dict)
    judge: dict[str, bool] = field(default_factory=dict)
    declared: Declared = NOTHING
    barred: dict[str, str] = field(default_factory=dict)
    tests: GivenTests | None = None
    tested: dict[str, RunResult] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def generation(self) -> Generation:
        """The request as the gateway would have seen it."""
        return Generation("chat", self.body, tests=self.tests)

    @property
    def prompt(self) -> str:
        """The prompt's words."""
        return words_of(self.generation)

    def exchange(self, tier: str) -> Exchange:
        """What the tier's verifier reads."""
        samples = [completion(text, ()) for text in self.samples.get(tier, ())]
        answer = completion(self.answers[tier], self.logprobs.get(tier, ()), self.tested.get(tier))
        return exchange_of(self.generation, answer, samples)

    @property
    def digest(self) -> str:
        """Of prompt, answers and labels, and of the tiers that rules keep it from."""
        kept_from = [sorted(self.barred)] if self.barred else []
        tested = [self.tests.code, {tier: one.outcome for tier, one in self.tested.items()}] if self.tests else []
        return _digest((self.body, self.answers, self.correct, *kept_from, *tested))

    @property
    def asked(self) -> str:
        """Of the prompt alone: overlapping calibration rows are known again by it.

        Not of the labels too: answers of another model to the same prompts are another look at the same sample,
        whatever that tier is called.
        """
        return _digest(self.body)


class ChatData(Struct):
    """All rows of a file; `tiers` in order of cost, `label_kind` as a certificate words it."""

    name: str
    tiers: tuple[str, ...]
    label_kind: str
    rows: list[ChatRow]
    sha256: str = ""
    findings: list[Finding] = field(default_factory=list)

    def take(self, positions: Sequence[int]) -> ChatData:
        """The rows at these positions, in this order."""
        rows = [self.rows[i] for i in positions]
        return ChatData(self.name, self.tiers, self.label_kind, rows, self.sha256, self.findings)


def read_chat(path: Path, tiers: Sequence[str] = (), label_kind: str = "") -> ChatData:
    """Read labelled exchanges. A row may lack the answers of some tiers: whether it may is for `chat_barred` to say.

    Args:
        tiers: names in order of cost; empty takes the order of the first row that has the most answers.
        label_kind: `human`, `exact`, `tests`, `judge:NAME`; empty takes it from the rows.
    Raises:
        DataError: a row cannot be used; names the row, the field and the value.
    """
    kinds: dict[str, int] = {}
    measuring: list[tuple[int, dict[str, Any]]] = []
    picked: list[tuple[int, dict[str, Any]]] = []
    for number, given in read_rows(path, ("answers",), FIELDS):
        where = f"{path.name}, row {number}"
        if source_of(where, given.get(SOURCE_COLUMN)):
            picked.append((number, given))  # the tiers' names are taken from a row that has them all
            continue
        _mapping(given["answers"], where, "answers")
        measuring.append((number, given))
        kinds.setdefault(str(given.get("label_kind") or ("exact" if given.get("expected") else "human")), number)
    names = tuple(tiers) or max((tuple(given["answers"]) for _, given in measuring), key=len, default=())
    rows = [_row(number, given, names, f"{path.name}, row {number}") for number, given in measuring]
    if not rows and not (picked and names):
        raise DataError(
            f"{path.name} has no row" + (" beside those from the queue, which only train." if picked else "."),
            fix='Each line: {"prompt": ..., "answers": {...}, "correct": {...}}',
        )
    kind = label_kind or (_one(kinds, path.name) if kinds else "human")
    data = ChatData(path.name, names, in_words(kind), rows, file_sha256(path))
    _add_picked(data, picked)
    return data


def in_words(kind: str) -> str:
    """A kind of label as the certificate words it. Raises InputError."""
    if kind == "tests":
        return TESTS
    check_labels(LabelRule(kind))
    return KINDS.get(kind) or "judge " + kind.removeprefix("judge:")


def is_right(answer: str, expected: str) -> bool:
    """Exact match: the whole answer, or what it states at its end, is the expected text (or the same number).

    >>> is_right("7 + 7 = 14\\n#### 14", "14")
    True
    >>> is_right("It is Paris.", "Lyon")
    False
    """
    wanted = normalise(expected)
    said, marked = final_text(answer)
    if wanted and wanted in (normalise(answer), normalise(said)):
        return True
    try:
        value = float(expected.replace(",", "").strip().lstrip("$€£").rstrip("%"))
    except ValueError:
        return False
    number = final_number(said if marked else answer)
    return number is not None and math.isfinite(value) and numbers.same(number, abs(value))


def _row(number: int, given: dict[str, Any], tiers: tuple[str, ...], where: str) -> ChatRow:
    said = _mapping(given["answers"], where, "answers")
    answers = {tier: _answer(said, tier, where) for tier in tiers if tier in said}
    if not answers:
        raise DataError(f"{where}: there is no answer of any of {', '.join(tiers)}; it has: {', '.join(said)}.")
    return ChatRow(
        number=number,
        body=body_of(given, where),
        answers=answers,
        correct=_correct(given, answers, where),
        logprobs=_logprobs(given.get("logprobs"), where),
        conversation=str(given.get("conversation") or ""),
        domain=str(given.get("domain") or ""),
        train_only=bool(given.get(SOURCE_COLUMN)),
        samples=_samples(given.get("samples"), where),
        judge=_judge(given.get("judge"), answers, where),
        declared=declared_of(given, where),
        tests=tests_of(given.get("tests"), where),
    )


def _add_picked(data: ChatData, picked: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Add rows that only train, each with the tiers it has; those of tiers that are gone are reported."""
    strange = []
    for number, given in picked:
        where = f"{data.name}, row {number}"
        answers = _mapping(given["answers"], where, "answers")
        marks = given.get("correct")
        said = answers if marks is None and given.get("expected") else _mapping(marks, where, "correct")
        known = tuple(tier for tier in data.tiers if tier in answers and tier in said)
        if known:
            data.rows.append(_row(number, given, known, where))
        else:
            strange.append(number)
    data.rows.sort(key=lambda row: row.number)
    if strange:
        words = (
            f"{len(strange)} rows from the queue are about none of the tiers {', '.join(data.tiers)}, and were left out"
        )
        data.findings.append(Finding("other-tiers", f"{words}.", tuple(strange[:100])))


def body_of(given: dict[str, Any], where: str) -> dict[str, Any]:
    """The request that a row stands for. `where` names the row in errors. Raises DataError."""
    messages, prompt = given.get("messages"), given.get("prompt")
    if messages is None and isinstance(prompt, str) and prompt.strip():
        messages = [{"role": "user", "content": prompt}]
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise DataError(f"{where}: there is no prompt.", fix='Give "prompt": text, or "messages": a list of messages.')
    wanted, said = given.get("response_format"), given.get("parameters") or {}
    if not isinstance(said, dict) or not OTHER.isdisjoint(said):
        raise DataError(
            f"{where}: 'parameters' is {said!r:.60}; it holds what a request says of how its answer is written.",
            fix='Such as {"temperature": 0}. Messages, response_format and max_tokens are fields of their own.',
        )
    return said | {"messages": messages} | ({"response_format": wanted} if isinstance(wanted, dict) else {})


def _mapping(value: Any, where: str, name: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise DataError(f"{where}: {name!r} is {value!r:.60}, not an object with one entry a tier.")
    return value


def _answer(answers: dict[str, Any], tier: str, where: str) -> str:
    if not isinstance(answers[tier], str):
        raise DataError(f"{where}: the answer of tier {tier!r} is {answers[tier]!r:.60}, not a text.")
    return str(answers[tier])


def _correct(given: dict[str, Any], answers: dict[str, str], where: str) -> dict[str, bool]:
    said, expected = given.get("correct"), given.get("expected")
    if said is None and isinstance(expected, str | int | float) and str(expected).strip():
        return {tier: is_right(answer, str(expected)) for tier, answer in answers.items()}
    marks = _mapping(said, where, "correct")
    for tier in answers:
        if marks.get(tier) not in (True, False):
            raise DataError(
                f"{where}: 'correct' of tier {tier!r} is {marks.get(tier)!r}, neither true nor false.",
                fix='Label every answer, or give "expected": the right answer.',
            )
    return {tier: bool(marks[tier]) for tier in answers}


def _logprobs(given: Any, where: str) -> dict[str, tuple[float, ...]]:
    if given is None:
        return {}
    found = {}
    for tier, values in _mapping(given, where, "logprobs").items():
        if not isinstance(values, list) or not all(isinstance(v, int | float) for v in values):
            raise DataError(f"{where}: 'logprobs' of tier {tier!r} is not a list of numbers.")
        found[tier] = tuple(float(v) for v in values if math.isfinite(v))
    return found


def _samples(given: Any, where: str) -> dict[str, tuple[str, ...]]:
    if given is None:
        return {}
    found = {}
    for tier, texts in _mapping(given, where, "samples").items():
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise DataError(f"{where}: 'samples' of tier {tier!r} is not a list of texts.")
        found[tier] = tuple(texts)
    return found


def _judge(given: Any, answers: dict[str, str], where: str) -> dict[str, bool]:
    if given is None:
        return {}
    said = _mapping(given, where, "judge")
    for tier in answers:
        if said.get(tier) not in (True, False):
            raise DataError(f"{where}: 'judge' of tier {tier!r} is {said.get(tier)!r}, neither true nor false.")
    return {tier: bool(said[tier]) for tier in answers}


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:32]


def _one(kinds: dict[str, int], name: str) -> str:
    if len(kinds) > 1:
        seen = ", ".join(f"{kind!r} (row {row})" for kind, row in kinds.items())
        raise DataError(
            f"{name} mixes labels of different kinds: {seen}. One promise is about one kind.",
            fix="Keep one kind in the file, or say which with --label-kind.",
        )
    return next(iter(kinds))
