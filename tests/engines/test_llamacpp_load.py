"""Many requests at once: they share the model, a client that goes away frees its place, and waiting has an end."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from rightsized.core.errors import BusyError, UpstreamError, UpstreamTimeoutError
from rightsized.core.generation import Completion, Delta, Generation
from rightsized.engines.llamacpp.generator import LlamaCppGenerator
from tests.engines.tiny_gguf import model, running, until_busy

LONG = 65_536  # tokens: seconds of work, which no test waits for


def endless(*, within: float = float("inf"), **fields: Any) -> Generation:
    body = {"prompt": "ab", "temperature": 0, **fields}
    return Generation("completions", body, deadline=time.monotonic() + within)


def short(prompt: str = "ab", *, tokens: int = 6, **fields: Any) -> Generation:
    return Generation("completions", {"prompt": prompt, "max_tokens": tokens, "temperature": 0, **fields})


def at_work(slots: int = 1, **settings: Any) -> Any:
    options = {"slots": slots, **settings.pop("options", {})}
    return running(model(context=LONG), context=LONG, options=options, **settings)


def test_closing_a_stream_frees_its_slot_for_the_next_request() -> None:
    async def scenario() -> None:
        async with at_work() as engine:
            for _ in range(3):
                stream = engine.stream(endless())
                await anext(stream)
                await until_busy(engine, 1)
                await stream.aclose()
                await until_busy(engine, 0)
                assert engine.status().in_flight == 0
            assert len((await engine.generate(short())).text) == 6

    asyncio.run(scenario())


def test_cancelling_an_answer_in_one_piece_frees_its_slot_too() -> None:
    async def scenario() -> None:
        async with at_work() as engine:
            task = asyncio.create_task(engine.generate(endless()))
            await until_busy(engine, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until_busy(engine, 0)
            assert engine.status().in_flight == 0

    asyncio.run(scenario())


def test_cancelling_one_of_several_choices_frees_them_all() -> None:
    async def scenario() -> None:
        async with at_work(slots=3) as engine:
            stream = engine.stream(endless(n=3, seed=1))
            await anext(stream)
            await until_busy(engine, 3)
            await stream.aclose()
            await until_busy(engine, 0)

    asyncio.run(scenario())


def test_requests_are_worked_on_together() -> None:
    """While one answer is being written, others begin and end: they do not wait for its end."""

    async def scenario() -> None:
        async with at_work(slots=2) as engine:
            stream = engine.stream(endless())
            await anext(stream)
            for i in range(5):
                assert len((await engine.generate(short(f"x{i}"))).text) == 6
            assert isinstance(await anext(stream), Delta)
            await stream.aclose()

    asyncio.run(scenario())


def test_the_queue_is_bounded_and_says_so() -> None:
    async def scenario() -> None:
        async with at_work(slots=1, queue=2) as engine:
            tasks = [asyncio.create_task(engine.generate(endless())) for _ in range(3)]
            await until_busy(engine, 1)
            assert engine.status().in_flight == 3
            with pytest.raises(BusyError, match="2 wait"):
                await engine.generate(short())
            with pytest.raises(BusyError):
                await anext(engine.stream(short()))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert len((await engine.generate(short())).text) == 6

    asyncio.run(scenario())


def test_a_deadline_ends_the_work_and_the_waiting() -> None:
    async def scenario() -> None:
        async with at_work(slots=1) as engine:
            with pytest.raises(UpstreamTimeoutError, match="in time"):
                await engine.generate(endless(within=0.3))
            await until_busy(engine, 0)
            stream = engine.stream(endless(within=0.3))
            with pytest.raises(UpstreamTimeoutError, match="in time"):
                async for _ in stream:
                    pass
            await until_busy(engine, 0)
            holder = engine.stream(endless())
            await anext(holder)
            with pytest.raises(UpstreamTimeoutError, match="no place free"):
                await engine.generate(endless(within=0.2))
            await holder.aclose()
            assert engine.status().in_flight == 0

    asyncio.run(scenario())


def test_the_time_limit_of_the_tier_holds_where_a_request_has_none() -> None:
    async def scenario() -> None:
        async with at_work(slots=1, timeout_s=0.3) as engine:
            with pytest.raises(UpstreamTimeoutError):
                await engine.generate(endless())

    asyncio.run(scenario())


def test_a_request_waits_while_the_model_loads() -> None:
    async def scenario() -> str:
        async with running(model(), ready=False) as engine:
            assert engine.status().detail == "loading"
            return (await engine.generate(short())).text

    assert len(asyncio.run(scenario())) == 6


def test_a_slow_reader_does_not_hold_up_the_others() -> None:
    async def scenario() -> None:
        async with at_work(slots=2) as engine:
            slow = engine.stream(endless())
            await anext(slow)
            found = await asyncio.gather(*(engine.generate(short(f"y{i}")) for i in range(4)))
            assert [len(answer.text) for answer in found] == [6] * 4
            await slow.aclose()

    asyncio.run(scenario())


async def _bits(engine: LlamaCppGenerator, prompts: list[str], together: bool) -> list[Any]:
    asked = [short(prompt, tokens=24, logprobs=5) for prompt in prompts]
    if together:
        found = await asyncio.gather(*(engine.generate(generation) for generation in asked))
    else:
        found = [await engine.generate(generation) for generation in asked]
    return [answer.body["choices"] for answer in found]


PROMPTS = [f"{word} {'abc ' * (i % 7)}{i}" for i, word in enumerate(["refund", "where", "is", "my", "parcel"] * 4)]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_isolated_answer_has_the_same_bits_alone_and_under_load(threads: int) -> None:
    async def scenario(options: dict[str, Any], together: bool, prompts: list[str]) -> list[Any]:
        async with running(model(), options=options) as engine:
            return await _bits(engine, prompts, together)

    isolated = {"isolated": True, "threads": threads}
    asked = PROMPTS[: 12 // threads**2]  # waiting threads spin: dear on a machine that does other things
    alone = [asyncio.run(scenario(isolated, False, [prompt]))[0] for prompt in asked[:2]]  # a fresh process each
    loaded = asyncio.run(scenario(isolated, True, asked + asked[::-1]))
    assert loaded[:2] == alone
    assert loaded == loaded[::-1]
    assert loaded[: len(asked)] == asyncio.run(scenario({"isolated": True, "threads": 1}, False, asked))


def test_isolated_sampling_depends_on_the_request_alone() -> None:
    async def scenario() -> list[str]:
        async with running(model(), options={"isolated": True}) as engine:
            asked = Generation("completions", {"prompt": "ab", "max_tokens": 20, "temperature": 1.0})
            return [(await engine.generate(asked)).text for _ in range(3)]

    assert len(set(asyncio.run(scenario()))) == 1


def test_an_upstream_error_in_mid_stream_ends_it() -> None:
    """The iterator raises; it neither ends quietly nor gives a Completion."""

    async def scenario() -> None:
        async with at_work() as engine:
            stream = engine.stream(endless())
            await anext(stream)
            await engine.close()
            with pytest.raises(UpstreamError):
                async for piece in stream:
                    assert not isinstance(piece, Completion)

    asyncio.run(scenario())
