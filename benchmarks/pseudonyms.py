"""Are values restored byte for byte wherever a stream is cut, and what does pseudonymising cost a request?

Streams are drawn: text, and arguments of tools with JSON in strings of JSON, full of values with quotes, line breaks,
backslashes and scripts of all kinds. Each stream is cut in two at every character, cut into single characters, and cut
at random; what a client puts together must equal, byte for byte, the text with the values in place. Arguments must also
parse to the values themselves. The costs are those of pseudonymising alone: the detector here is a table of strings.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import itertools
import json
import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness import Clock, Options, finish, note, options, percentiles
from rightsized import data
from rightsized.core.generation import Completion, Delta, EngineStatus, Generation, Operation, Piece, Usage
from rightsized.core.pii import Finding, Findings, PiiConfig
from rightsized.core.pseudonyms import PseudonymConfig
from rightsized.guard.pseudonym import Pseudonymised
from rightsized.guard.pseudonym.answers import Answers
from rightsized.guard.pseudonym.rewrite import Sent, hide
from rightsized.guard.pseudonym.streams import PieceRestorer
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.pseudonyms import LateDetector

STREAMS, QUICK_STREAMS = 1000, 30
RANDOM_CUTS = 5  # ways to cut a stream at random, beside every cut in two
VALUES = {
    "Anna Lindqvist": "person",
    "Zoë Müller": "person",
    "Seán O'Neill": "person",
    'Robert "Bobby" Tables': "person",
    "李雷": "person",
    "Müller\nund Söhne": "organization",
    "C:\\Users\\anna": "path",
    "anna.lindqvist@example.org": "email",
    "+49 30 901820": "phone",
    "4111 1111 1111 1111": "payment_card",
    "DE89 3704 0044 0532 0130 00": "iban",
    "👩‍⚕️ Dr. Ada": "person",
    "tab\there": "other",
    "\u2028line": "other",
}
WORDS = (
    *("the", "a", "Person", "e-mail", "PERSON_", "of", "IBAN", "77", "–", "é", "字", "\\", "_", '"', "{", "[", ":"),
    *(",", "\n", "payment", "pa", "PE", "value", "Value", "X2", "K9"),
)
_FIND = re.compile("|".join(map(re.escape, sorted(VALUES, key=len, reverse=True))))


class Table:
    """A detector that knows the values above, and nothing else."""

    digest = "sha256:table"

    def detect(self, text: str) -> Findings:
        found = [Finding(m.start(), m.end(), VALUES[m[0]], 1.0, "table") for m in _FIND.finditer(text)]
        return Findings(tuple(found), "personal")


class Drawn(NamedTuple):
    """One stream: what the model wrote of each kind, and what a client must read."""

    text: str
    arguments: str
    wanted_text: str
    wanted_arguments: str


async def request(dice: random.Random) -> tuple[Generation, Sent, dict[str, str]]:
    """A request with some values, what was sent for it, and the placeholder of each value."""
    values = dice.sample(list(VALUES), dice.randint(1, 6))
    body = {"messages": [{"role": "user", "content": f"{dice.choice(WORDS)} <{value}>"} for value in values]}
    generation = Generation("chat", body)
    sent = await hide(generation, Table(), PseudonymConfig(), None)
    return generation, sent, {sent.vault.value(name): name for name in sent.vault}


def draw(dice: random.Random, names: dict[str, str]) -> Drawn:
    """A text and the arguments of a call that hold these placeholders."""
    parts = [dice.choice([*WORDS, *names]) for _ in range(dice.randint(3, 30))]
    glue = dice.choice([" ", "", ", "])
    arguments, wanted = _arguments(dice, names)
    written = glue.join(names.get(part, part) for part in parts)
    return Drawn(written, json.dumps(arguments), glue.join(parts), json.dumps(wanted, ensure_ascii=False))


def _arguments(dice: random.Random, names: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The object that the model writes, and the one with the values: plain strings, lists, JSON in a string."""
    picked = [dice.choice(list(names)) for _ in range(4)]
    inner = {"who": picked[0], "all": [picked[1], "x"]}
    hidden = {"who": names[picked[0]], "all": [names[picked[1]], "x"]}
    written = {"to": names[picked[2]], "note": f"for {names[picked[3]]}.", "in": json.dumps(hidden)}
    return written, {"to": picked[2], "note": f"for {picked[3]}.", "in": inner}


def deltas(text: str, arguments: str, cuts: list[int]) -> list[Delta]:
    """A stream of the text and then the arguments, each cut at these places."""
    chunks = [{"content": part} for part in _cut(text, cuts)]
    calls = [{"tool_calls": [{"index": 0, "function": {"arguments": part}}]} for part in _cut(arguments, cuts)]
    parts: list[dict[str, Any]] = [*chunks, *calls, {}]
    return [
        Delta(
            {"choices": [{"index": 0, "delta": part, "finish_reason": None if part else "stop"}]},
            part.get("content", ""),
        )
        for part in parts
    ]


def _cut(text: str, cuts: list[int]) -> Iterator[str]:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in itertools.pairwise(edges):
        yield text[start:end]


def read(given: list[Piece]) -> tuple[str, str]:
    """What a client puts together of a stream: the text, and the arguments."""
    text: list[str] = []
    arguments: list[str] = []
    for piece in given:
        for delta in piece if not isinstance(piece, Delta) else (piece,):
            for choice in delta.body["choices"]:
                text.append(choice["delta"].get("content") or "")
                arguments += [call["function"]["arguments"] for call in choice["delta"].get("tool_calls") or ()]
    return "".join(text), "".join(arguments)


def restored(answers: Answers, pieces: list[Delta]) -> list[Piece]:
    restorer = PieceRestorer(answers, chat=True)
    given = [piece for delta in pieces if (piece := restorer.feed(delta)) is not None]
    rest = restorer.end()
    return [*given, rest] if rest is not None else given


def cuttings(dice: random.Random, longest: int) -> Iterator[list[int]]:
    """Every cut in two, one character a chunk, and some cuts at random."""
    for cut in range(longest + 1):
        yield [cut]
    yield list(range(longest))
    for _ in range(RANDOM_CUTS):
        yield dice.sample(range(longest + 1), min(longest, dice.randint(2, 12)))


async def round_trips(streams: int) -> dict[str, Any]:
    dice = random.Random(20261128)
    counts = {"streams": 0, "splits": 0, "wrong": 0, "placeholders": 0}
    for number in range(streams):
        generation, sent, names = await request(dice)
        drawn, answers = draw(dice, names), Answers(generation, sent)
        counts["placeholders"] += sum(drawn.text.count(n) + drawn.arguments.count(n) for n in names.values())
        counts["streams"] += 1
        whole = answers.value({"arguments": drawn.arguments}, "")["arguments"]
        parsed = json.loads(whole)
        parsed["in"] = json.loads(parsed["in"])
        counts["wrong"] += json.dumps(parsed, ensure_ascii=False) != drawn.wanted_arguments
        for cuts in cuttings(dice, max(len(drawn.text), len(drawn.arguments))):
            counts["splits"] += 1
            got = read(restored(answers, deltas(drawn.text, drawn.arguments, cuts)))
            counts["wrong"] += got != (drawn.wanted_text, whole)
        if number % 100 == 99:
            note(f"{number + 1} streams, {counts['splits']:,} ways to cut them, {counts['wrong']} wrong")
    return counts


class Silent:
    """A tier that says one thing, at once."""

    name, digest, on_premises, context = "cloud", "sha256:cloud", False, 0
    operations: frozenset[Operation] = frozenset(("chat",))

    async def generate(self, generation: Generation) -> Completion:
        message = {"role": "assistant", "content": "Understood."}
        body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        return Completion("Understood.", "stop", Usage(1, 1), body)

    async def stream(self, generation: Generation) -> Any:
        yield await self.generate(generation)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def status(self) -> EngineStatus:
        return EngineStatus(ready=True)


async def request_cost(messages: int, repeats: int) -> dict[str, float]:
    """Milliseconds of CPU that pseudonymising adds to a request of so many messages of 60 words, 8 of them values."""
    dice = random.Random(messages)
    texts = [" ".join(dice.choices([*WORDS] * 3 + list(VALUES), k=60)) for _ in range(messages)]
    generation = Generation("chat", {"messages": [{"role": "user", "content": text} for text in texts]})
    bare, around = Silent(), Pseudonymised(Silent(), Table())
    added = []
    for _ in range(repeats):
        start = time.process_time()
        await bare.generate(generation)
        between = time.process_time()
        await around.generate(generation)
        added.append((time.process_time() - between - (between - start)) * 1e3)
    return percentiles(added, (50, 95))


async def piece_cost(repeats: int) -> dict[str, float]:
    """Microseconds of CPU a piece of a stream, nearly all of plain text."""
    dice = random.Random(1)
    generation, sent, names = await request(dice)
    answers = Answers(generation, sent)
    words = [dice.choice(WORDS) + " " for _ in range(200)] + [names[next(iter(names))]]
    pieces = [Delta({"choices": [{"index": 0, "delta": {"content": w}, "finish_reason": None}]}, w) for w in words]
    took = []
    for _ in range(repeats):
        start = time.process_time()
        restored(answers, pieces)
        took.append((time.process_time() - start) * 1e6 / len(pieces))
    return percentiles(took, (50, 95))


def messages_of_a_shop(count: int) -> list[str]:
    """Sample messages of this package, which a detector has to search."""
    with data.path("support_train.csv").open(encoding="utf-8", newline="") as file:
        return [str(row["text"]) for row in csv.DictReader(file)][:count]


async def detection_cost(home: Path, messages: int) -> dict[str, Any] | None:
    """Milliseconds of a turn with the detector of a home: the first of a conversation, and the next one."""
    if not ModelStore(Home(home)).has("minilm"):
        return None
    detector = LateDetector(str(home), PiiConfig())
    texts = messages_of_a_shop(messages + 2)
    detector.detect(texts.pop())
    around, took = Pseudonymised(Silent(), detector), []
    for turn in (texts[:-1], texts):
        with Clock() as clock:
            await around.generate(Generation("chat", {"messages": [{"role": "user", "content": t} for t in turn]}))
        took.append({"wall_ms": clock.wall * 1e3, "cpu_ms": clock.cpu * 1e3})
    return {"messages": messages, "chars": sum(map(len, texts)), "first": took[0], "next": took[1]}


def _home(parser: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("RIGHTSIZED_TEST_HOME", Path.home() / ".cache" / "rightsized-test"))
    parser.add_argument("--home", type=Path, default=default, help="a home with the encoder, for the real detector")


async def measure(given: Options) -> dict[str, Any]:
    streams = QUICK_STREAMS if given.quick else STREAMS
    repeats = 20 if given.quick else 300
    return {
        "round_trips": await round_trips(streams),
        "request_cpu_ms": {str(n): await request_cost(n, repeats) for n in (1, 10, 50)},
        "piece_cpu_us": await piece_cost(repeats),
        "values": len(VALUES),
        "with_detector": await detection_cost(given.extra.home, 20),
    }


def main() -> int:
    given = options("pseudonyms", __doc__ or "", _home)
    result = asyncio.run(measure(given))
    trips = result["round_trips"]
    lines = [
        f"{trips['streams']:,} streams with {trips['placeholders']:,} placeholders, cut in {trips['splits']:,} ways: "
        f"{trips['wrong']} not byte for byte",
        *(
            f"a request of {n} messages: {took['p50']:.2f} ms of CPU (95%: {took['p95']:.2f})"
            for n, took in result["request_cpu_ms"].items()
        ),
        "a piece of a stream: {p50:.1f} us of CPU (95%: {p95:.1f})".format(**result["piece_cpu_us"]),
    ]
    if real := result["with_detector"]:
        lines.append(
            f"with the detector, {real['messages']} messages of {real['chars']:,} characters: "
            f"{real['first']['cpu_ms']:.0f} ms "
            f"of CPU the first time, {real['next']['cpu_ms']:.0f} ms when one message was added"
        )
    return finish(given, result, lines) or int(trips["wrong"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
