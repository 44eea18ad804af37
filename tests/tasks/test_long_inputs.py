"""Chats too long for every tier: refused with advice, or read in parts where the settings ask for it and marked."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rightsized.cascade.tier import estimated_tokens
from rightsized.core.config import load
from rightsized.core.errors import ContextLengthError, ForbiddenError, UpstreamError
from rightsized.core.generation import Caller, Delta, Generation, words_of
from rightsized.core.types import Begun, Reply
from rightsized.engines.fake_generator import FakeGenerator
from rightsized.ledger.log import SqliteLedger
from rightsized.server.openai.asked import answered_by
from rightsized.tasks.gateway import LocalGateway
from rightsized.tasks.long_inputs import MAP, NOTHING, REDUCE
from rightsized.tasks.long_text import EDGE, NOTED, PIECE, long_text

TIER = """
[[tiers]]
name = "small"
engine = "fake"
model = "tiny"
context = 2400
price_in = 1.0
price_out = 2.0

[[tiers]]
name = "away"
engine = "remote"
model = "big"
tier = 1
url = "http://127.0.0.1:9/v1"
context = 100000
data_classes = ["public"]
"""
ON = '[gateway]\nlong_inputs = "map-reduce"\n' + TIER
KEY = re.compile(r"The key of chapter \d+ is K\d+\.")
ASKED = "List every key that you find in this text."


def text(chapters: int = 40) -> str:
    filler = "The sea was calm and nothing happened that day, as the log has it at some length. " * 5
    return "\n\n".join(f"Chapter {n}. {filler}The key of chapter {n} is K{n}." for n in range(chapters))


def chat(content: Any, **more: Any) -> Generation:
    messages = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": content}]
    return Generation("chat", {"messages": messages, **more})


def keys(generation: Generation) -> str:
    """Notes every key in what it reads, as a model told to would."""
    words = words_of(generation)
    if generation.body["messages"][0]["content"] in (MAP, REDUCE):
        words = words.split("\n\n", 1)[-1]
    return " ".join(dict.fromkeys(KEY.findall(words))) or NOTHING


def ran(
    tmp_path: Path,
    generation: Generation,
    toml: str = ON,
    write: Callable[[Generation], str] = keys,
    stream: bool = False,
) -> tuple[Any, list[Generation]]:
    """The reply, or what was streamed; and what the small tier was asked."""
    tmp_path.mkdir(exist_ok=True)
    file = tmp_path / "rightsized.toml"
    file.write_text(toml)
    seen: list[Generation] = []

    def noting(asked: Generation) -> str:
        seen.append(asked)
        return write(asked)

    async def main() -> Any:
        with SqliteLedger(tmp_path / "decisions.sqlite") as ledger:
            gateway = LocalGateway(load(file, environment={}, flags={"home": str(tmp_path / "home")}), ledger)
            small = gateway._tiers[0].generator
            assert isinstance(small, FakeGenerator)
            small._write = noting
            await gateway.start()
            try:
                if stream:
                    return [one async for one in gateway.stream(generation, Caller())]
                return await gateway.generate(generation, Caller())
            finally:
                await gateway.close()

    return asyncio.run(main()), seen


def test_without_the_setting_it_is_refused_with_advice(tmp_path: Path) -> None:
    asked = Generation("chat", chat(f"{ASKED}\n\n{text()}").body, "small")
    with pytest.raises(ContextLengthError) as caught:
        ran(tmp_path, asked, TIER)
    assert "long_inputs" in caught.value.fix and "rightsized search" in caught.value.fix


def test_a_long_chat_is_answered_from_notes_of_all_its_parts(tmp_path: Path) -> None:
    reply, seen = ran(tmp_path, chat(f"{ASKED}\n\n{text()}", max_tokens=400))
    assert isinstance(reply, Reply) and reply.completion is not None
    assert set(KEY.findall(reply.completion.text)) == {f"The key of chapter {n} is K{n}." for n in range(40)}
    assert (reply.state, reply.certified, reply.certificate, reply.rung) == ("none", False, "", "small")
    assert reply.steps == len(seen) == len(reply.attempts) > 3
    assert any("notes that a model made" in one for one in reply.completion.warnings)
    assert reply.cost == pytest.approx(sum(one.cost for one in reply.attempts)) and reply.cost > 0
    assert reply.completion.usage.prompt_tokens == sum(
        one.completion.usage.prompt_tokens for one in reply.attempts if one.completion
    )


def test_every_step_fits_and_the_last_has_the_client_s_own_wishes(tmp_path: Path) -> None:
    _, seen = ran(tmp_path, chat(f"{ASKED}\n\n{text()}", max_tokens=300, stop=["END"]))
    assert all(estimated_tokens(one) <= 2400 for one in seen)
    maps, last = [one for one in seen if one.body["messages"][0]["content"] == MAP], seen[-1]
    assert all("stop" not in one.body and ASKED in words_of(one) for one in maps)
    assert last.body["stop"] == ["END"] and last.body["max_tokens"] == 300
    assert last.body["messages"][0]["content"] == "Be exact." and NOTED in last.body["messages"][1]["content"]


def test_a_header_field_says_in_how_many_steps(tmp_path: Path) -> None:
    reply, seen = ran(tmp_path, chat(f"{ASKED}\n\n{text()}"))
    assert (b"x-rightsized-steps", b"%d" % len(seen)) in answered_by(reply)
    plain, _ = ran(tmp_path / "plain", chat("Hello."))
    assert not any(name == b"x-rightsized-steps" for name, _ in answered_by(plain))


def test_a_chat_that_fits_is_left_alone(tmp_path: Path) -> None:
    reply, seen = ran(tmp_path, chat("The key of chapter 1 is K1."))
    assert reply.steps == 1 and len(seen) == 1 and reply.completion.warnings == ()


def test_streams_give_it_out_once_it_is_whole(tmp_path: Path) -> None:
    pieces, seen = ran(tmp_path, chat(f"{ASKED}\n\n{text()}", max_tokens=400), stream=True)
    begun, last = pieces[0], pieces[-1]
    assert isinstance(begun, Begun) and isinstance(last, Reply)
    assert begun.steps == last.steps == len(seen) and not begun.certified
    said = "".join(one.text for one in pieces[1:-1] if isinstance(one, Delta))
    assert last.completion is not None and said == last.completion.text


def test_rules_about_data_bind_every_step(tmp_path: Path) -> None:
    reply, _ = ran(tmp_path, chat(f"{ASKED}\n\n{text()}"))
    assert {one.rung for one in reply.attempts} == {"small"}  # secret data: the tier elsewhere is asked for no part
    closed = ON.replace('model = "tiny"\n', 'model = "tiny"\ndata_classes = ["public"]\n')
    with pytest.raises(ForbiddenError):
        ran(tmp_path / "closed", chat(f"{ASKED}\n\n{text()}"), closed)


def test_a_part_that_fails_is_told_and_where_all_fail_the_request_does(tmp_path: Path) -> None:
    def fails(asked: Generation) -> str:
        if asked.body["messages"][0]["content"] == MAP and "Chapter 7." in words_of(asked).rpartition("<part>")[2]:
            raise UpstreamError("It broke.", retryable=False)
        return keys(asked)

    reply, _ = ran(tmp_path, chat(f"{ASKED}\n\n{text()}"), write=fails)
    assert any(re.fullmatch(r"1 of \d+ parts could not be read", one) for one in reply.completion.warnings)
    assert "K7." not in reply.completion.text and "K20." in reply.completion.text

    def all_fail(asked: Generation) -> str:
        raise UpstreamError("It broke.", retryable=False)

    with pytest.raises(UpstreamError, match="No part of the request could be read"):
        ran(tmp_path / "all", chat(f"{ASKED}\n\n{text()}"), write=all_fail)


def test_what_takes_too_many_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContextLengthError, match="in 3 steps") as caught:
        ran(tmp_path, chat(f"{ASKED}\n\n{text()}"), ON.replace("[gateway]\n", "[gateway]\nlong_steps = 3\n"))
    assert "long_steps" in caught.value.fix


def test_the_deadline_holds(tmp_path: Path) -> None:
    asked = chat(f"{ASKED}\n\n{text()}")
    late = Generation("chat", asked.body, deadline=time.monotonic() - 1)
    with pytest.raises(UpstreamError):
        ran(tmp_path, late)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": text()}]}]},
        {"messages": [{"role": "user", "content": text()}], "n": 2},
        {"messages": [{"role": "assistant", "content": text()}, {"role": "user", "content": "Go on."}]},
        {"messages": [{"role": "user", "content": part} for part in (text(10), text(10), text(10), text(10))]},
        {"messages": [{"role": "user", "content": text()}, {"role": "tool", "content": "x", "tool_call_id": "1"}]},
        {"messages": []},
    ],
)  # fmt: skip
def test_what_is_more_than_one_long_text_is_not_read_in_parts(body: dict[str, Any]) -> None:
    assert long_text(Generation("chat", body)) is None


def test_pieces_are_the_whole_text_and_end_where_something_ends() -> None:
    content = text()
    found = long_text(chat([{"type": "text", "text": content}]))
    assert found is not None
    pieces = found.pieces()
    assert "".join(pieces) == content and max(map(len, pieces)) <= PIECE
    assert all(one.endswith(("\n\n", " ", ".")) for one in pieces)
    solid = long_text(chat("x" * 50_000))
    assert solid is not None and "".join(solid.pieces()) == "x" * 50_000
    assert found.noted(["N"])[1]["content"] == f"{content[:EDGE]}\n\n{NOTED}\n\nN\n\n{content[-EDGE:]}"
