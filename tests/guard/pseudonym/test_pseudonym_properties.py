"""Whatever is written and however it is cut, what a client reads is the text with the values in place."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some
from pseudonym_parts import PatternDetector, ScriptedTier, assembled, chat, collect, content, end, placeholders

from rightsized.core.generation import Completion, Delta, Generation
from rightsized.guard.pseudonym import Pseudonymised
from rightsized.guard.pseudonym.answers import Answers
from rightsized.guard.pseudonym.json_text import through
from rightsized.guard.pseudonym.matching import Matcher, Restorer, escaped
from rightsized.guard.pseudonym.rewrite import Sent
from rightsized.guard.pseudonym.streams import PieceRestorer
from rightsized.guard.pseudonym.vault import Vault

TEXT = some.text(max_size=40)
VALUES = some.lists(some.text(min_size=1, max_size=12), min_size=1, max_size=4, unique=True)


def vault_of(values: list[str]) -> tuple[Vault, list[str]]:
    vault = Vault()
    return vault, [vault.hide(value, f"kind{k}", lambda code: False) for k, value in enumerate(values)]


@settings(max_examples=150, deadline=None)
@given(VALUES, some.lists(some.tuples(TEXT, some.integers(0, 3)), max_size=5), some.lists(some.integers(0, 400)))
def test_any_text_at_any_cuts(values: list[str], parts: list[tuple[str, int]], cuts: list[int]) -> None:
    vault, names = vault_of(values)
    written = "".join(text + names[k % len(names)] for text, k in parts)
    wanted = "".join(text + values[k % len(values)] for text, k in parts)
    restorer = Restorer(Matcher(vault), vault.value)
    edges = sorted({0, len(written), *(cut % (len(written) + 1) for cut in cuts)})
    got = "".join(restorer.feed(written[a:b]) for a, b in itertools.pairwise(edges)) + restorer.flush()
    assert got == wanted == Restorer(Matcher(vault), vault.value).whole(written)


NESTED = some.recursive(
    some.integers(0, 3),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(VALUES, NESTED, some.booleans(), some.integers(0, 1000))
def test_any_json_stays_json(values: list[str], shape: Any, inside: bool, cut: int) -> None:
    """Values stand where their placeholders stood, in JSON and in JSON that is the content of a string."""
    vault, names = vault_of(values)

    def of(strings: list[str]) -> Any:
        return _filled(shape, strings)

    payload = {"in": json.dumps({"v": of(names)})} if inside else {"v": of(names)}
    written = json.dumps(payload)
    restorer = Restorer(Matcher(vault), vault.value, escape=True)
    at = cut % (len(written) + 1)
    got = json.loads(restorer.feed(written[:at]) + restorer.feed(written[at:]) + restorer.flush())
    found = json.loads(got["in"])["v"] if inside else got["v"]
    assert found == of(values)


def _filled(shape: Any, strings: list[str]) -> Any:
    if isinstance(shape, int):
        return f"<{strings[shape % len(strings)]}>"
    if isinstance(shape, list):
        return [_filled(one, strings) for one in shape]
    return {f"k{name}": _filled(one, strings) for name, one in shape.items()}


@given(some.text(max_size=60))
def test_reading_json_changes_nothing_by_itself(text: str) -> None:
    seen: list[str] = []

    def leaf(part: str) -> str:
        seen.append(part)
        return part

    assert through(text, leaf) == text
    assert seen or json.loads(text) in ({}, [])  # nothing but numbers and brackets may go unseen


@given(some.text(max_size=30), some.integers(1, 3))
def test_escaping_is_undone_by_reading(value: str, times: int) -> None:
    text = escaped(value, times)
    for _ in range(times):
        text = json.loads(f'"{text}"')
    assert text == value


async def test_completions_and_functions_of_old() -> None:
    """The older shapes: `text` of completions, `function_call` of chats."""

    def say(generation: Generation) -> list[dict[str, Any]]:
        (name,) = placeholders(generation)[:1]
        return [{"choices": [{"index": 0, "text": c, "finish_reason": None}]} for c in f"To {name}."]

    tier = Pseudonymised(ScriptedTier(say), PatternDetector())
    asked = Generation("completions", {"prompt": "Write to Anna", "stream": True})
    deltas, whole = await collect(tier, asked)
    assert "".join(d.text for d in deltas) == whole.text == "To Anna."
    assert assembled(deltas, "completions")["choices"][0]["text"] == "To Anna."

    def old(generation: Generation) -> list[dict[str, Any]]:
        text = json.dumps({"to": placeholders(generation)[0]})
        chunks = [
            {"function_call": {"name": "send", "arguments": ""}},
            *({"function_call": {"arguments": c}} for c in text),
        ]
        return [{"choices": [{"index": 0, "delta": chunk, "finish_reason": None}]} for chunk in chunks] + [end()]

    deltas, _ = await collect(Pseudonymised(ScriptedTier(old), PatternDetector()), chat("Anna"))
    assert assembled(deltas)["choices"][0]["message"]["function_call"] == {
        "name": "send",
        "arguments": '{"to": "Anna"}',
    }


async def test_a_stream_that_is_closed_early_ends_the_work_and_forgets() -> None:
    tier = ScriptedTier(lambda g: [content(f"{placeholders(g)[0]} and more"), end()])
    stream = Pseudonymised(tier, PatternDetector()).stream(chat("Anna"))
    first = await anext(stream)
    assert isinstance(first, Delta)
    assert first.text == "Anna and more"
    await stream.aclose()  # type: ignore[attr-defined]


def test_what_is_not_known_of_an_answer_is_restored_too() -> None:
    vault, (name,) = vault_of(["Anna"])
    body = {"citations": [{"title": f"On {name}", "n": 1}], "choices": [{"index": 0, "message": {"content": name}}]}
    done = Answers(Generation("chat", {}), Sent({}, vault, ())).whole(Completion(text=name, body=body))
    assert done.body["citations"][0]["title"] == "On Anna"
    delta = Delta({"choices": [{"index": 0, "delta": {"annotations": [{"t": name}], "reasoning": name}}]})
    got = PieceRestorer(Answers(Generation("chat", {}), Sent({}, vault, ())), chat=True).feed(delta)
    assert isinstance(got, Delta)
    assert got.body["choices"][0]["delta"] == {"annotations": [{"t": "Anna"}], "reasoning": "Anna"}
