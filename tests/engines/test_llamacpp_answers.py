"""What a model on this machine answers: choices, streams, schemas, adapters, counts; refusals instead of guesses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rightsized.core.errors import ContextLengthError, InputError, RightsizedError, UnsupportedError
from rightsized.core.generation import Completion, Delta, Generation
from rightsized.engines.llamacpp.generator import LlamaCppGenerator
from tests.engines.tiny_gguf import folder, model, running, write_adapter

HELLO = [{"role": "user", "content": "Hello"}]
SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["refund", "delivery"]}, "sure": {"type": "boolean"}},
    "required": ["label", "sure"],
    "additionalProperties": False,
}
TOOL_TEMPLATE = (  # the shape of Hermes and Qwen: calls as JSON between two marks
    "{% if tools %}{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}{% endif %}"
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}"
    "{% for call in message.tool_calls or [] %}"
    '\n<tool_call>\n{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}\n'
    "</tool_call>{% endfor %}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
CALL = ("<tool_call>", "\n{", '"name": "weather", "arguments": {"day": "today"}}\n', "</tool_call>")
NEXT = ("</tool_call>\n<tool_call>", "\n {", '"name": "weather", "arguments": {"day": "later"}}', " </tool_call>")
TWO_CALLS = (*CALL[:3], *NEXT)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"day": {"enum": ["today", "later"]}}, "required": ["day"]},
        },
    }
]


def chat(**fields: Any) -> Generation:
    return Generation("chat", {"messages": HELLO, "temperature": 0, "max_tokens": 8, **fields})


def completions(**fields: Any) -> Generation:
    return Generation("completions", {"prompt": "abc", "temperature": 0, "max_tokens": 8, **fields})


def with_engine(use: Callable[[LlamaCppGenerator], Awaitable[Any]], place: Path | None = None, **settings: Any) -> Any:
    async def scenario() -> Any:
        async with running(place or model(), **settings) as engine:
            return await use(engine)

    return asyncio.run(scenario())


def answers(*generations: Generation, place: Path | None = None, **settings: Any) -> list[Completion]:
    async def use(engine: LlamaCppGenerator) -> list[Completion]:
        return [await engine.generate(generation) for generation in generations]

    found: list[Completion] = with_engine(use, place, **settings)
    return found


async def streamed(engine: LlamaCppGenerator, generation: Generation) -> tuple[list[Delta], Completion]:
    deltas, end = [], None
    async for piece in engine.stream(generation):
        if isinstance(piece, Completion):
            end = piece
        else:
            deltas.append(piece)
    assert end is not None
    return deltas, end


def refusal(kind: type[RightsizedError], *generations: Generation, **settings: Any) -> list[str]:
    async def use(engine: LlamaCppGenerator) -> list[str]:
        said = []
        for generation in generations:
            with pytest.raises(kind) as caught:
                await engine.generate(generation)
            said.append(caught.value.message)
        assert engine.status().in_flight == 0
        return said

    found: list[str] = with_engine(use, **settings)
    return found


def test_a_chat_answer_has_the_shape_that_clients_expect() -> None:
    [answer] = answers(chat())
    [choice] = answer.body["choices"]
    assert choice["message"] == {"role": "assistant", "content": answer.text}
    assert (answer.finish, choice["finish_reason"], choice["logprobs"]) == ("length", "length", None)
    assert answer.body["object"] == "chat.completion"
    assert answer.body["id"].startswith("chatcmpl-")
    assert answer.body["model"] == "small"
    assert len(answer.text) == 8  # a token of this vocabulary is a character
    # The start token, <|user|>Hello, a line break, <|assistant|>: the model's own template was used.
    assert answer.usage.prompt_tokens == 1 + len("<|user|>Hello\n<|assistant|>")
    assert answer.usage.completion_tokens == 8
    assert not answer.usage.estimated
    assert answer.body["usage"] == {"prompt_tokens": 28, "completion_tokens": 8, "total_tokens": 36}


@pytest.mark.parametrize("make", [chat, completions])
@pytest.mark.parametrize(
    "fields", [{}, {"n": 3, "temperature": 1.0, "seed": 5}, {"stop": ["\n"]}, {"max_tokens": 1}], ids=str
)
def test_a_stream_adds_up_to_the_whole_answer(make: Callable[..., Generation], fields: dict[str, Any]) -> None:
    asked = make(**fields)

    async def use(engine: LlamaCppGenerator) -> None:
        whole = await engine.generate(asked)
        deltas, end = await streamed(engine, asked)
        assert "".join(delta.text for delta in deltas) == whole.text == end.text
        strip = {"id", "created"}
        assert {k: v for k, v in end.body.items() if k not in strip} == {
            k: v for k, v in whole.body.items() if k not in strip
        }
        assert end.usage == whole.usage
        assert {choice["index"] for delta in deltas for choice in delta.body["choices"]} == set(
            range(fields.get("n", 1))
        )
        assert len({delta.body["id"] for delta in deltas}) == 1

    with_engine(use, options={"isolated": True})


def test_counts_come_last_on_a_stream_that_asks_for_them() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        deltas, end = await streamed(engine, chat(stream_options={"include_usage": True}))
        assert deltas[-1].body["choices"] == []
        assert deltas[-1].body["usage"] == end.body["usage"]
        deltas, _ = await streamed(engine, chat())
        assert not any("usage" in delta.body for delta in deltas)

    with_engine(use)


def test_a_seed_repeats_a_choice_and_each_choice_has_its_own() -> None:
    asked = chat(temperature=1.5, seed=11, n=3, max_tokens=16)
    first, again, other = answers(asked, asked, chat(temperature=1.5, seed=12, n=3, max_tokens=16))
    texts = [[choice["message"]["content"] for choice in answer.body["choices"]] for answer in (first, again, other)]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) == 3
    assert texts[2][:2] == texts[0][1:]  # seed 12 is the second choice of seed 11


def test_several_prompts_and_choices_come_in_order() -> None:
    several, one, two = answers(
        completions(prompt=["abc", "xyz"], n=2), completions(prompt="abc"), completions(prompt="xyz")
    )
    texts = [choice["text"] for choice in several.body["choices"]]
    assert texts == [one.text, one.text, two.text, two.text]
    assert [choice["index"] for choice in several.body["choices"]] == [0, 1, 2, 3]
    assert several.usage.prompt_tokens == 8  # each prompt counts once
    assert several.usage.completion_tokens == 32


def test_stop_ends_an_answer_before_the_words() -> None:
    [whole] = answers(completions())
    stopped, listed = answers(completions(stop=whole.text[3]), completions(stop=["not there", whole.text[2:4]]))
    assert (stopped.text, stopped.finish) == (whole.text[:3], "stop")
    assert (listed.text, listed.finish) == (whole.text[:2], "stop")


def test_tokens_may_be_given_instead_of_text() -> None:
    async def use(engine: LlamaCppGenerator) -> None:
        tokens = (await engine.ask("/tokenize", {"content": "abc", "add_special": True}))["tokens"]
        text, ids = await engine.generate(completions()), await engine.generate(completions(prompt=tokens))
        assert text.text == ids.text

    with_engine(use)


def test_logprobs_of_a_chat() -> None:
    [answer, plain] = answers(chat(logprobs=True, top_logprobs=3), chat(logprobs=True))
    rows = answer.body["choices"][0]["logprobs"]["content"]
    assert "".join(row["token"] for row in rows) == answer.text
    for row in rows:
        assert row["bytes"] == list(row["token"].encode())
        ranked = [other["logprob"] for other in row["top_logprobs"]]
        assert len(ranked) == 3
        assert row["logprob"] == max(ranked) <= 0  # greedy: the likeliest token was written
    assert all(row["top_logprobs"] == [] for row in plain.body["choices"][0]["logprobs"]["content"])


def test_logprobs_of_completions_are_parallel_lists_also_on_a_stream() -> None:
    asked = completions(logprobs=2)

    async def use(engine: LlamaCppGenerator) -> None:
        whole = (await engine.generate(asked)).body["choices"][0]["logprobs"]
        _, end = await streamed(engine, asked)
        assert "".join(whole["tokens"]) == end.text
        assert whole["text_offset"] == list(range(8))
        assert all(len(best) == 2 for best in whole["top_logprobs"])
        assert whole == end.body["choices"][0]["logprobs"]

    with_engine(use, options={"isolated": True})


@pytest.mark.parametrize("make", [chat, completions])
def test_an_answer_keeps_to_its_schema(make: Callable[..., Generation]) -> None:
    given = {"type": "json_schema", "json_schema": {"name": "triage", "strict": True, "schema": SCHEMA}}
    found = answers(*(make(response_format=given, max_tokens=200, temperature=1.0, seed=seed) for seed in range(4)))
    for answer in found:
        read = json.loads(answer.text)
        assert answer.finish == "stop"
        assert set(read) == {"label", "sure"}
        assert read["label"] in ("refund", "delivery")
        assert isinstance(read["sure"], bool)
        assert "warnings" not in answer.body


@pytest.mark.parametrize("make", [chat, completions])
def test_json_object_gives_an_object(make: Callable[..., Generation]) -> None:
    async def use(engine: LlamaCppGenerator) -> str:
        text = ""
        async for piece in engine.stream(make(response_format={"type": "json_object"}, max_tokens=60, seed=1)):
            if isinstance(piece, Delta):
                text += piece.text
        return text

    assert with_engine(use).lstrip().startswith("{")


@pytest.mark.parametrize("make", [chat, completions])
def test_a_schema_cut_by_max_tokens_is_reported(make: Callable[..., Generation]) -> None:
    given = {"type": "json_schema", "json_schema": {"name": "triage", "schema": SCHEMA}}
    asked = make(response_format=given, max_tokens=5)

    async def use(engine: LlamaCppGenerator) -> None:
        whole = await engine.generate(asked)
        _, end = await streamed(engine, asked)
        for answer in (whole, end):
            assert answer.finish == "length"
            assert "cut by max_tokens" in answer.body["warnings"][0]
            with pytest.raises(json.JSONDecodeError):
                json.loads(answer.text)

    with_engine(use)


def test_a_schema_fulfilled_with_the_last_token_needs_no_warning() -> None:
    given = {"type": "json_schema", "json_schema": {"schema": {"const": 7}}}
    [answer] = answers(chat(response_format=given, max_tokens=1))
    assert (answer.text, answer.finish) == ("7", "length")
    assert "warnings" not in answer.body


def test_a_grammar_of_ones_own() -> None:
    found = answers(*(completions(grammar='root ::= "yes" | "no"', seed=s, temperature=1) for s in range(3)))
    assert {answer.text for answer in found} <= {"yes", "no"}
    [said] = refusal(InputError, completions(grammar="root ::= bad ("))
    assert "grammar" in said


def test_an_adapter_answers_only_where_it_is_asked_for() -> None:
    place = write_adapter(folder() / "adapter.gguf")
    other = write_adapter(folder() / "other.gguf", seed=8)
    options = {"adapters": {"tone": str(place), "law": str(other)}}
    asked = [completions(), completions(adapter="tone"), completions(adapter="law"), completions(adapter={"tone": 1})]
    [bare] = answers(completions())
    plain, tone, law, scaled = answers(*asked, options=options)
    assert plain.text == bare.text
    assert len({plain.text, tone.text, law.text}) == 3
    assert scaled.text == tone.text
    [default, off] = answers(completions(), completions(adapter={}), options=options | {"adapter": "tone"})
    assert (default.text, off.text) == (tone.text, plain.text)
    [said] = refusal(InputError, completions(adapter="tune"), options=options)
    assert "no adapter 'tune'" in said


def test_requests_with_different_adapters_do_not_mix_under_load() -> None:
    options = {"adapters": {"tone": str(write_adapter(folder() / "adapter.gguf"))}, "slots": 4}
    kinds = [completions(max_tokens=24), completions(max_tokens=24, adapter="tone")]
    alone = [answer.text for answer in answers(*kinds, options=options)]

    async def use(engine: LlamaCppGenerator) -> list[str]:
        found = await asyncio.gather(*(engine.generate(kinds[i % 2]) for i in range(16)))
        return [answer.text for answer in found]

    assert with_engine(use, options=options) == alone * 8


def test_a_model_without_a_chat_template_is_not_asked_to_chat() -> None:
    bare = model(template="")
    [said] = refusal(UnsupportedError, chat(), place=bare)
    assert "no chat template" in said

    async def operations(engine: LlamaCppGenerator) -> frozenset[str]:
        return engine.operations

    assert with_engine(operations, bare) == {"completions"}
    given = {"chat_template": "{% for message in messages %}{{ message.content }}{% endfor %}"}
    [answer] = answers(chat(), place=bare, options=given)
    assert answer.usage.prompt_tokens == 1 + len("Hello")


def test_tools_are_refused_where_the_template_has_no_place_for_them() -> None:
    [said] = refusal(UnsupportedError, chat(tools=TOOLS))
    assert "takes no tools" in said


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "weather"}}], ids=str)
def test_a_tool_call_comes_as_one_also_on_a_stream(choice: object) -> None:
    asked = chat(tools=TOOLS, tool_choice=choice, max_tokens=300)

    async def use(engine: LlamaCppGenerator) -> None:
        answer = await engine.generate(asked)
        _, end = await streamed(engine, asked)
        for found in (answer, end):
            [call] = found.body["choices"][0]["message"]["tool_calls"]
            assert found.finish == "tool_calls"
            assert call["type"] == "function"
            assert call["id"]
            assert call["function"]["name"] == "weather"
            assert json.loads(call["function"]["arguments"]) == {"day": "today"}
            assert "warnings" not in found.body

    with_engine(use, model(template=TOOL_TEMPLATE, chain=CALL))


@pytest.mark.parametrize(("fields", "days"), [({}, ["today", "later"]), ({"parallel_tool_calls": False}, ["today"])])
def test_several_calls_come_unless_the_client_takes_one(fields: dict[str, Any], days: list[str]) -> None:
    asked = chat(tools=TOOLS, max_tokens=300, **fields)

    async def use(engine: LlamaCppGenerator) -> None:
        deltas, end = await streamed(engine, asked)
        pieces = [c for d in deltas for c in d.body["choices"][0]["delta"].get("tool_calls") or ()]
        assert {piece["index"] for piece in pieces} == set(range(len(days)))
        for answer in (await engine.generate(asked), end):
            calls = answer.body["choices"][0]["message"]["tool_calls"]
            assert [json.loads(call["function"]["arguments"])["day"] for call in calls] == days
            assert answer.finish == "tool_calls"

    with_engine(use, model(template=TOOL_TEMPLATE, chain=TWO_CALLS))


def test_a_required_tool_that_was_not_called_is_reported() -> None:
    place = model(template=TOOL_TEMPLATE)
    [answer] = answers(chat(tools=TOOLS, tool_choice="required", max_tokens=5), place=place)
    assert answer.body["warnings"] == ["A tool had to be called and none was."]
    [said] = refusal(InputError, chat(tools=TOOLS, tool_choice={"function": {"name": "news"}}), place=place)
    assert "'news'" in said


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers() -> None:
    [said, tokens] = refusal(
        ContextLengthError, completions(prompt="a" * 270), completions(prompt=[300] * 270), context=256
    )
    assert "271 tokens" in said
    assert "256" in said
    assert "270 tokens" in tokens


def test_an_answer_that_fills_the_context_ends_there() -> None:
    [answer] = answers(completions(max_tokens=1000), context=200)
    assert answer.finish == "length"
    assert answer.usage.prompt_tokens + answer.usage.completion_tokens == 256  # rounded up by llama.cpp


def test_what_it_cannot_do_is_refused_never_dropped() -> None:
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]
    said = refusal(
        UnsupportedError,
        chat(guided_json={}),
        chat(messages=image),
        completions(echo=True),
        completions(best_of=4),
        completions(suffix="x"),
        Generation("embeddings", {"input": "a"}),
    )
    for part, words in zip(
        ("'guided_json'", "image_url", "echo", "best_of", "fill in the middle", "does not do embeddings"),
        said,
        strict=True,
    ):
        assert part in words


def test_wrong_values_are_errors_of_the_request() -> None:
    refusal(
        InputError,
        chat(messages="Hello"),
        chat(n=0),
        chat(temperature="hot"),
        completions(prompt=7),
        completions(prompt=[]),
        completions(logprobs=21),
        completions(response_format={"type": "xml"}),
        completions(prompt=[10**6]),
        chat(response_format={"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}),
    )
