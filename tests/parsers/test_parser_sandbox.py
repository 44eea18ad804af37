"""Parsers run in processes that are warm, watched and killable; what a document does to one is its own reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.documents_hostile import long_document
from rightsized.core.errors import DocumentError, StoreError
from rightsized.parsers import sandbox
from rightsized.parsers.limits import Limits
from rightsized.parsers.process import WorkerProcess
from rightsized.parsers.sandbox import Pool, parse


@pytest.fixture(autouse=True)
def _no_others() -> None:
    """Workers that other tests of this process left warm are ended: these tests count."""
    sandbox._shared.close()


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(1) as pool:
        yield pool


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("The buyer pays within thirty days.\n")
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.docx"
    long_document(path, 6)
    return path


def workers() -> set[int]:
    """Workers of this process."""
    children = psutil.Process().children()
    return {one.pid for one in children if any("parsers.worker" in word for word in one.cmdline())}


def test_a_worker_serves_many_documents(pool: Pool, text: Path) -> None:
    before = workers()
    assert pool.parse(text, "a.txt").text.startswith("The buyer")
    first = workers() - before
    for _ in range(5):
        pool.parse(text, "a.txt")
    assert workers() - before == first
    assert len(first) == 1


def test_the_media_type_comes_with_it(pool: Pool, text: Path) -> None:
    assert pool.read(text, "a.md").media_type == "text/markdown"


def test_wall_time(pool: Pool, large: Path, text: Path) -> None:
    with pytest.raises(DocumentError, match=r"0\.2 seconds") as caught:
        pool.parse(large, "large.docx", limits=Limits(wall_seconds=0.2))
    assert caught.value.reason == "timeout"
    assert pool.parse(text, "a.txt").text  # by another worker


def test_processor_time(pool: Pool, large: Path) -> None:
    with pytest.raises(DocumentError, match="processor time") as caught:
        pool.parse(large, "large.docx", limits=Limits(cpu_seconds=0.01))
    assert caught.value.reason == "timeout"


def test_memory(pool: Pool, tmp_path: Path, text: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_bytes(b"a,b\n" * 3_000_000)
    with pytest.raises(DocumentError, match="70 MB") as caught:
        pool.parse(path, "many.csv", limits=Limits(memory_mb=70))
    assert caught.value.reason == "memory"
    assert pool.parse(text, "a.txt").text


def test_too_much_text(pool: Pool, large: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        pool.parse(large, "large.docx", limits=Limits(characters=100_000))
    assert caught.value.reason == "too-large"


def test_a_worker_that_dies(pool: Pool, text: Path, large: Path) -> None:
    pool.parse(text, "a.txt")
    (pid,) = workers()
    thread = threading.Timer(0.05, os.kill, (pid, signal.SIGSEGV))
    thread.start()
    with pytest.raises(DocumentError) as caught:
        pool.parse(large, "large.docx")
    assert caught.value.reason == "crash"
    assert "SIGSEGV" in caught.value.message
    assert pool.parse(text, "a.txt").text


def test_a_worker_that_died_while_idle_is_replaced(pool: Pool, text: Path) -> None:
    pool.parse(text, "a.txt")
    (pid,) = workers()
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)], timeout=0.5)
    assert pool.parse(text, "a.txt").text


def test_several_at_a_time(text: Path) -> None:
    found: list[str] = []
    with Pool(2) as pool:
        threads = [threading.Thread(target=lambda: found.append(pool.parse(text, "a.txt").text)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(workers()) <= 2
    assert len(found) == 6
    assert workers() == set()


def test_no_parser_is_loaded_here(text: Path) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from rightsized.parsers.sandbox import parse
        parse(Path({str(text)!r}), "a.html")
        print(*[one for one in ("selectolax", "lxml", "pypdfium2", "openpyxl", "numpy") if one in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_killed_parent_leaves_no_orphan(large: Path) -> None:
    code = f"""
        import threading
        from pathlib import Path
        from rightsized.parsers.limits import Limits
        from rightsized.parsers.sandbox import Pool
        pool = Pool(1)
        worker = pool._take()
        print(worker.pid, flush=True)
        for _ in range(1000):
            worker.ask(Path({str(large)!r}), "large.docx", Limits())
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.5)  # at work
        parent.kill()
    psutil.wait_procs([worker], timeout=10)
    assert not worker.is_running()


def test_what_a_worker_may_not_do(tmp_path: Path) -> None:
    """The audit hook and the kernel's limits, in a process confined as a worker is."""
    code = """
        import os, socket, subprocess, sys
        from rightsized.parsers.confinement import confine
        reading, writing = os.pipe()
        confine(reading)
        def tried(name, action):
            try:
                action()
            except OSError as error:
                print(name, type(error).__name__)
        tried("connect", lambda: socket.socket().connect(("127.0.0.1", 9)))
        tried("unix", lambda: socket.socket(socket.AF_UNIX).connect("/tmp/none"))
        tried("look-up", lambda: socket.getaddrinfo("localhost", 80))
        tried("program", lambda: subprocess.run(["true"]))
        tried("fork", os.fork)
        tried("write", lambda: open(sys.argv[1], "wb").write(b"x" * 100_000))
        os.close(writing)
        import time; time.sleep(20)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "file")],
        capture_output=True, text=True, check=False, timeout=15,
    )  # fmt: skip
    assert done.stdout.split() == [
        *("connect", "PermissionError", "unix", "PermissionError", "look-up", "PermissionError"),
        *("program", "PermissionError", "fork", "PermissionError", "write", "OSError"),
    ]
    assert done.returncode == -signal.SIGIO  # the other end of its lifeline was closed


def test_a_worker_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch, text: Path) -> None:
    monkeypatch.setattr("rightsized.parsers.process.MODULE", "rightsized.parsers.absent")
    worker = WorkerProcess()
    with pytest.raises(StoreError, match=r"No module named rightsized\.parsers\.absent"):
        worker.ask(text, "a.txt", Limits())


def test_the_shared_pool(text: Path) -> None:
    assert parse(text, "a.txt").text.startswith("The buyer")


def test_a_worker_that_ends_while_it_is_taken_costs_no_document(
    pool: Pool, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = workers()
    pool.parse(text, "a.txt")
    (pid,) = workers() - before
    monkeypatch.setattr(WorkerProcess, "alive", property(lambda self: True))  # it was, a moment ago
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)], timeout=0.5)
    assert pool.parse(text, "a.txt").text
    monkeypatch.undo()


def test_closing_twice(text: Path) -> None:
    worker = WorkerProcess()
    worker.ask(text, "a.txt", Limits())
    worker.close()
    worker.close()
    assert not worker.alive
