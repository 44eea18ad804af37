"""The worker's life: a failed load says why, an end in mid-answer fails that request only, and the model returns."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from rightsized.core.errors import UpstreamError, UpstreamTimeoutError
from rightsized.core.generation import Delta, Generation
from rightsized.engines.llamacpp import client
from rightsized.engines.llamacpp.generator import LlamaCppGenerator
from rightsized.engines.llamacpp.process import WorkerProcess
from rightsized.engines.llamacpp.supervisor import Supervisor
from rightsized.engines.llamacpp.wire import WorkerSettings
from tests.engines.tiny_gguf import model, running, until, until_busy, write_llama

ENDLESS = Generation("completions", {"prompt": "ab"})  # runs until its context is full
SHORT = Generation("completions", {"prompt": "ab", "max_tokens": 4, "temperature": 0})
PATIENCE = 20.0  # seconds a test waits for what must come


def pid_of(engine: LlamaCppGenerator) -> int:
    pids = [child.pid for child in psutil.Process().children() if "llamacpp.worker" in " ".join(child.cmdline())]
    assert len(pids) == 1
    return pids[0]


async def until_ready(engine: LlamaCppGenerator) -> None:
    await until(lambda: engine.status().ready)


def test_a_worker_killed_in_mid_token_fails_that_request_and_comes_back() -> None:
    async def scenario() -> None:
        async with running(model(context=32_768), context=32_768) as engine:
            before = (await engine.generate(SHORT)).text
            stream = engine.stream(ENDLESS)
            first = await anext(stream)
            assert isinstance(first, Delta)
            killed = pid_of(engine)
            os.kill(killed, signal.SIGKILL)
            with pytest.raises(UpstreamError, match="SIGKILL") as caught:
                async for _ in stream:
                    pass
            assert caught.value.retryable
            assert "starts again" in engine.status().detail
            with pytest.raises(UpstreamError, match="not running"):  # told at once, so that another tier may answer
                await engine.generate(SHORT)
            await until_ready(engine)
            assert pid_of(engine) != killed
            assert (await engine.generate(SHORT)).text == before

    asyncio.run(scenario())


def test_every_request_in_flight_hears_of_the_end() -> None:
    async def scenario() -> None:
        async with running(model(context=32_768), context=32_768, options={"slots": 3}) as engine:
            tasks = [asyncio.create_task(engine.generate(ENDLESS)) for _ in range(5)]  # three at work, two wait
            await until_busy(engine, 3)
            os.kill(pid_of(engine), signal.SIGABRT)
            ended = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)
            assert all(isinstance(error, UpstreamError) and error.retryable for error in ended)
            assert engine.status().in_flight == 0

    asyncio.run(scenario())


def test_the_reason_of_a_failed_load_is_reported(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    data = model().read_bytes()
    name = b"blk.1.ffn_down.weight"
    assert data.count(name) == 1
    broken.write_bytes(data.replace(name, b"blk.1.ffn_gone.weight"))

    async def scenario() -> None:
        async with running(broken, ready=False) as engine:
            with pytest.raises(UpstreamError, match=r"tensor 'blk\.1\.ffn_down\.weight' not found"):
                await engine.generate(SHORT)
            status = engine.status()
            assert not status.ready
            assert "not found" in status.detail
            assert "starts again in 0.5 s" in status.detail

    asyncio.run(scenario())


def test_the_reason_of_a_crash_while_loading_is_reported(tmp_path: Path) -> None:
    """A failed check of llama.cpp's own aborts the process; a debugger would bury its words under a backtrace."""
    twice = write_llama(tmp_path / "twice.gguf", chain=("{", "}"))  # pieces that the vocabulary holds already

    async def scenario() -> None:
        async with running(twice, ready=False) as engine:
            with pytest.raises(UpstreamError, match=r"GGML_ASSERT\(id_to_token\.size\(\) == token_to_id\.size\(\)\)"):
                await engine.generate(SHORT)

    asyncio.run(scenario())


def test_pauses_between_lives_double(tmp_path: Path) -> None:
    gone = WorkerSettings(model=str(tmp_path / "none.gguf"), socket="", key="", context=64)

    async def scenario() -> list[str]:
        supervisor = Supervisor("small", gone, first_pause=0.01)
        seen: list[str] = []
        await supervisor.start()
        async with asyncio.timeout(PATIENCE):
            while len(seen) < 3:
                await asyncio.sleep(0.002)
                if "again in" in supervisor.detail and supervisor.detail not in seen:
                    seen.append(supervisor.detail)
        await supervisor.close()
        return [words.rpartition("again in ")[2] for words in seen]

    assert asyncio.run(scenario()) == ["0.01 s", "0.02 s", "0.04 s"]


def test_a_worker_over_its_memory_is_ended_and_says_so() -> None:
    async def scenario() -> str:
        async with running(model(), ready=False, options={"memory_mb": 1.0}) as engine:
            with pytest.raises(UpstreamError, match="its limit is 1 MB") as caught:
                while True:
                    await engine.generate(SHORT)
            return caught.value.message

    assert "MB of memory" in asyncio.run(scenario())


def test_it_listens_on_no_port_and_only_its_user_reaches_its_socket() -> None:
    async def scenario() -> None:
        async with running(model()) as engine:
            connections = psutil.Process(pid_of(engine)).net_connections(kind="inet")
            assert connections == []
            unix = psutil.Process(pid_of(engine)).net_connections("unix")
            [socket] = {Path(c.laddr) for c in unix if c.laddr.endswith(".sock")}
            assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
            reader, writer = await asyncio.open_unix_connection(str(socket))
            writer.write(b"GET /slots HTTP/1.0\r\n\r\n")  # even this user needs the key of this life
            assert b" 401 " in await reader.readline()
            writer.close()
        assert not socket.parent.exists()

    asyncio.run(scenario())


def test_closing_ends_the_process_and_refuses_requests() -> None:
    async def scenario() -> None:
        async with running(model()) as engine:
            worker = psutil.Process(pid_of(engine))
            await engine.close()
            assert not worker.is_running()
            with pytest.raises(UpstreamError, match="closed"):
                await engine.generate(SHORT)

    asyncio.run(scenario())


PARENT = """
import asyncio, sys
sys.path.insert(0, {root!r})
from tests.engines.tiny_gguf import running
import psutil
from pathlib import Path

async def main():
    async with running(Path({place!r})):
        [child] = psutil.Process().children()
        [place] = {{c.laddr for c in child.net_connections("unix") if c.laddr.endswith(".sock")}}
        print(child.pid, place, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_the_worker_ends_when_its_parent_is_killed() -> None:
    code = PARENT.format(root=str(Path(__file__).parents[2]), place=str(model()))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid, socket = parent.stdout.readline().decode().split()
        worker = psutil.Process(int(pid))
        assert Path(socket).exists()
        parent.kill()
    gone, _ = psutil.wait_procs([worker], timeout=PATIENCE)
    assert gone
    assert not Path(socket).parent.exists()


def test_a_worker_that_no_longer_answers_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PROBE_SECONDS", 0.3)

    async def scenario() -> None:
        async with running(model(context=32_768), context=32_768, first_byte_s=0.5) as engine:
            stream = engine.stream(ENDLESS)
            await anext(stream)
            stopped = pid_of(engine)
            os.kill(stopped, signal.SIGSTOP)
            with pytest.raises(UpstreamTimeoutError, match=r"silent for 0\.5 s"):
                async for _ in stream:
                    pass
            await until(lambda: "did not say how it is" in engine.status().detail)
            await until_ready(engine)
            assert pid_of(engine) != stopped

    asyncio.run(scenario())


def test_a_worker_without_prctl_ends_with_the_pipe() -> None:
    settings = WorkerSettings(model=str(model()), socket="", key="k", context=64)

    async def scenario() -> str:
        worker = await WorkerProcess.spawn(settings)
        await worker.ready()
        await worker.close()  # closes the pipe only; a kill would come seconds later
        return await worker.wait()

    assert asyncio.run(scenario()) == "it was closed"


def test_the_parent_imports_no_runtime_and_the_worker_no_client() -> None:
    code = (
        "import sys; {}; "
        "print([m for m in ('xllamacpp', 'aiohttp', 'onnxruntime', 'numpy', 'torch') if m in sys.modules])"
    )
    for imported, expected in (
        ("import rightsized.engines.llamacpp.generator", b"['aiohttp']"),
        ("import rightsized.engines.llamacpp.worker", b"[]"),
    ):
        out = subprocess.run([sys.executable, "-c", code.format(imported)], capture_output=True, check=True)
        assert out.stdout.strip() == expected
