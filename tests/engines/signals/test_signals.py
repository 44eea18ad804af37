"""Every signal keeps the protocol on any text, and each sees what it is for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsized.core.errors import IntegrityError
from rightsized.engines.signals import catalogue
from rightsized.engines.signals.catalogue import ALL
from rightsized.engines.signals.form import satisfies
from rightsized.engines.signals.signal import Exchange, Signal

QUESTION = "Peter has $42. A ticket costs $7 and popcorn $7. How many times can he go?"
RIGHT = "He spends 7 + 7 = $<<7+7=14>>14 each time. He can go 42 / 14 = <<42/14=3>>3 times.\n#### 3"


def seen(name: str, exchange: Exchange) -> dict[str, float]:
    signal = next(signal for signal in ALL if signal.name == name)
    return dict(zip(signal.features, signal.read(exchange), strict=True))


@pytest.mark.parametrize("signal", ALL, ids=lambda s: s.name)
@settings(max_examples=60, deadline=None)
@given(prompt=st.text(max_size=200), answer=st.text(max_size=200), values=st.lists(st.floats(), max_size=5))
def test_any_text_gives_finite_numbers(signal: Signal, prompt: str, answer: str, values: list[float]) -> None:
    exchange = Exchange(prompt, answer, tuple(values), (answer, prompt), "json_object")
    numbers = signal.read(exchange)
    assert len(numbers) == len(signal.features) == len(set(signal.features))
    assert all(math.isfinite(float(number)) for number in numbers)
    assert signal.read(exchange) == numbers
    if signal.side == "prompt":
        assert signal.read(Exchange(prompt)) == numbers


def test_names_are_unique() -> None:
    assert len({signal.name for signal in ALL}) == len(ALL)
    every = catalogue.names(ALL)
    assert catalogue.named(every) == ALL
    with pytest.raises(IntegrityError):
        catalogue.named(every[:-1])
    with pytest.raises(IntegrityError):
        catalogue.named(["gone.feature"])


@pytest.mark.parametrize(
    "text",
    [
        "1+" * 9999,
        "(" * 50000,
        "= " * 9999,
        "9" * 50000,
        "<<" * 9999,
        "a" * 500000,
        "\n" * 100000,
        "; \t" * 9999,
        "".join(f"{i} " for i in range(9999)),
        "".join(f"{i} + 1 = 9\n" for i in range(9999)),
        "1 " * 9999 + "x = 3",
        "function " * 9999,
        "$" * 50000,
        "if " * 9999,
        "#### " * 9999,
        "<<1+1=2>>" * 9999,
        "so\n" * 9999,
        "```\n" * 9999,
    ],
)
@pytest.mark.timeout(20)  # far above what any takes: a text that ran on would not end
def test_hostile_texts_end(text: str) -> None:
    assert np.isfinite(catalogue.read(ALL, Exchange(text, text, samples=(text,)))).all()


def test_arithmetic_tells_right_from_wrong() -> None:
    right = seen("arithmetic", Exchange(QUESTION, RIGHT))
    assert (right["any"], right["false"], right["ends_in_result"]) == (1, 0, 1)
    wrong = seen("arithmetic", Exchange(QUESTION, RIGHT.replace("=3>>3", "=4>>4").replace("#### 3", "#### 5")))
    assert (wrong["false"], wrong["last_false"], wrong["ends_in_result"]) == (1, 1, 0)


def test_working_follows_the_numbers() -> None:
    right = seen("working", Exchange(QUESTION, RIGHT))
    assert (right["all_used"], right["unexplained"], right["left_over"]) == (1, 0, 0)
    other = seen("working", Exchange(QUESTION, "He can go 88 / 8 = 11 times, and 7 * 2 = 14.\n#### 11"))
    assert (other["all_used"], other["unexplained"], other["left_over"]) == (0, 2, 1)


def test_final_answer() -> None:
    assert seen("final", Exchange("", "so\n#### 18"))["marked"] == 1
    assert seen("final", Exchange("", "The answer is (B)."))["choice"] == 1
    assert seen("final", Exchange("", "It is 2.67"))["whole"] == 0


def test_endings() -> None:
    assert seen("ending", Exchange("", "The total cost of the"))["mid_sentence"] == 1
    assert seen("ending", Exchange("", "Done.", finish="length"))["cut_by_limit"] == 1
    assert seen("ending", Exchange("", "f(g(x"))["open_brackets"] == 2
    assert seen("ending", Exchange("", "Done."))["mid_sentence"] == 0


def test_repetition_and_manner() -> None:
    assert seen("repetition", Exchange("", "again and again and so on\n" * 9))["repeated_lines"] > 0.8
    assert seen("manner", Exchange("", "I'm sorry, I cannot help with that."))["declines"] == 1
    assert seen("manner", Exchange("", "Paris."))["declines"] == 0


SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
        "to": {"anyOf": [{"type": "null"}, {"type": "string", "minLength": 2}]},
    },
    "required": ["n"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ({"n": 1}, True),
        ({"n": 2, "tags": ["a", "b"], "to": None}, True),
        ({"n": 0}, False),
        ({"n": True}, False),
        ({"n": 1.5}, False),
        ({}, False),
        ({"n": 1, "x": 2}, False),
        ({"n": 1, "tags": ["c"]}, False),
        ({"n": 1, "tags": ["a"] * 3}, False),
        ({"n": 1, "to": "x"}, False),
        ([], False),
    ],
)
def test_schemas(value: object, good: bool) -> None:
    assert satisfies(value, SCHEMA) is good


def test_form_asked_for() -> None:
    asked = {"output": "json_schema", "schema": SCHEMA}
    assert seen("form", Exchange("", '{"n": 3}', **asked))["valid"] == 1  # type: ignore[arg-type]
    assert seen("form", Exchange("", '```json\n{"n": 3}\n```', **asked))["wrapped"] == 1  # type: ignore[arg-type]
    assert seen("form", Exchange("", '{"n": 3', **asked))["parses"] == 0  # type: ignore[arg-type]
    assert seen("form", Exchange("", "any", output="text"))["asked"] == 0


def test_code_citations_logprobs_agreement() -> None:
    assert seen("code", Exchange("", "```python\ndef f():\n    return 1\n```"))["parses"] == 1
    assert seen("code", Exchange("", "```python\ndef f(:\n```"))["parses"] == 0
    assert seen("citations", Exchange("Cite a source.", "It is so [1]."))["asked_and_cited"] == 1
    sure, unsure = (seen("logprobs", Exchange("", "a", logprobs=values)) for values in ((-0.1,) * 4, (-3.0,) * 4))
    assert sure["mean"] > unsure["mean"] and unsure["unsure"] == 1
    agreed = seen("agreement", Exchange("", RIGHT, samples=("So 3", "#### 3", "#### 4")))
    assert agreed["same_result"] == pytest.approx(2 / 3)


def test_prompts() -> None:
    asked = seen("prompt_kind", Exchange("def f(x): return x\nHow many does it return?"))
    assert (asked["how many"], asked["code"]) == (1, 1)
    assert seen("prompt_script", Exchange("Привет, мир"))["cyrillic"] == 1
    assert seen("prompt_numbers", Exchange("3 of 12,000"))["log_largest"] > 4
