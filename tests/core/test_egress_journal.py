"""What is opened is noted before anything is sent; what cannot be noted is not opened; children are inside the net."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rightsized.core import net
from rightsized.core.egress import DECISION, Egress, Journal, read_journal
from rightsized.core.errors import EgressDeniedError


def test_a_connection_is_noted_with_its_decision(tmp_path: Path) -> None:
    egress = Egress.at(tmp_path, ["api.example.com"])
    token = DECISION.set("d-1")
    egress.note("api.example.com", "The tier 'cloud'")
    DECISION.reset(token)
    egress.note("127.0.0.1", "The tier 'near'")  # loopback is not egress
    (line,) = read_journal(tmp_path / "egress.jsonl")
    assert (line.kind, line.destination, line.purpose, line.decision) == (
        "opened",
        "api.example.com",
        "The tier 'cloud'",
        "d-1",
    )
    assert line.pid
    assert line.at > 1.7e9
    assert (tmp_path / "egress.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_fetch_is_noted_at_both_ends(tmp_path: Path) -> None:
    egress = Egress.at(tmp_path)
    with pytest.raises(EgressDeniedError), egress.opening("pypi", "A test"):
        raise AssertionError("not reached")
    assert read_journal(tmp_path / "egress.jsonl") == []
    with egress.granted("pypi"), egress.opening("pypi", "A test", lambda: 12):
        assert [line.kind for line in read_journal(tmp_path / "egress.jsonl")] == ["opened"]
    assert [(line.kind, line.received) for line in read_journal(tmp_path / "egress.jsonl")] == [
        ("opened", None),
        ("closed", 12),
    ]


def test_a_program_that_fetches_is_started_only_with_leave(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('fetched')"]
    with (tmp_path / "errors").open("wb") as errors:
        with (
            pytest.raises(EgressDeniedError),
            Egress.at(tmp_path).program(command, "pypi", "A test", errors=errors, environment={}),
        ):
            raise AssertionError("not reached")
        allowed = Egress.at(tmp_path, ["pypi"])
        with allowed.program(command, "pypi", "A test", errors=errors, environment={}) as child:
            assert child.stdout is not None
            assert child.stdout.read() == b"fetched\n"
    assert len(read_journal(tmp_path / "egress.jsonl")) == 2


def test_what_cannot_be_noted_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    egress = Egress(frozenset({"pypi"}), Journal(tmp_path / "file" / "egress.jsonl"))
    with pytest.raises(EgressDeniedError, match="cannot be written"):
        egress.note("pypi", "A test")


def test_the_net_lets_a_connection_through_that_was_asked_for_and_no_other(tmp_path: Path) -> None:
    """It sees addresses, not the names that rules allow; and the process's net is not the opener's own."""
    net_of_the_process, opener = Egress(), Egress.at(tmp_path, ["witness.example"])
    connect = ("socket.connect", (None, ("192.0.2.1", 443)))
    with pytest.raises(EgressDeniedError):
        net_of_the_process._audit(*connect)
    with opener.connecting("witness.example", "A test"):
        net_of_the_process._audit(*connect)
        other: list[BaseException] = []

        def elsewhere() -> None:
            try:
                net_of_the_process._audit(*connect)
            except EgressDeniedError as error:
                other.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(other) == 1  # another thread's work was not asked for
    with pytest.raises(EgressDeniedError):
        net_of_the_process._audit(*connect)
    with pytest.raises(EgressDeniedError, match=r"other\.example"), opener.connecting("other.example", "A test"):
        raise AssertionError("not reached")
    assert [line.destination for line in read_journal(tmp_path / "egress.jsonl")] == ["witness.example"]


def test_half_a_line_is_left_out(tmp_path: Path) -> None:
    Egress.at(tmp_path).note("a.example", "A test")
    path = tmp_path / "egress.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes()[:40])
    assert [line.destination for line in read_journal(path)] == ["a.example"]


@pytest.mark.parametrize(
    ("event", "arguments", "host"),
    [
        ("socket.connect", (None, ("192.0.2.1", 80)), "192.0.2.1"),
        ("socket.connect", (None, ("127.0.0.1", 80)), ""),
        ("socket.connect", (None, "/run/a.sock"), ""),
        ("socket.sendto", (None, ("2001:db8::1", 80)), "2001:db8::1"),
        ("socket.sendmsg", (None, None), ""),
        ("socket.getaddrinfo", (b"a.example", 80, 0, 0, 0), "a.example"),
        ("socket.getaddrinfo", ("localhost", 80, 0, 0, 0), ""),
        ("socket.gethostbyname", ("a.example",), "a.example"),
        ("socket.getnameinfo", (("192.0.2.1", 80),), "192.0.2.1"),
        ("socket.bind", (None, ("192.0.2.1", 80)), ""),
    ],
)
def test_which_events_leave(event: str, arguments: tuple[object, ...], host: str) -> None:
    assert net.beyond(event, arguments) == host


def test_a_script_of_another_python_runs_inside_the_net(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import socket, sys\n"
        "try:\n    socket.create_connection(('192.0.2.1', 80), timeout=1)\n"
        "except PermissionError as error:\n    print(sys.argv[1:], __name__, error)\n"
    )
    command = [sys.executable, "-P", net.__file__, str(script), "a", "b"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("['a', 'b'] __main__ A connection to '192.0.2.1' was stopped")


CHILDREN = (
    "rightsized.jobs.child",
    "rightsized.engines.llamacpp.worker",
    "rightsized.tasks.measure",
    "rightsized.compress.gguf.score",
)


@pytest.mark.parametrize("module", CHILDREN)
def test_every_process_of_ours_installs_the_net_first(module: str) -> None:
    """Asked of the process itself: a hook that was there before sees the child's own being added."""
    code = f"""
import os, runpy, sys
def left(status):
    raise SystemExit(status)
os._exit = left
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event == "sys.addaudithook" else None)
sys.argv = ["{module}", "/nowhere", "99"]
try:
    runpy.run_module("{module}", run_name="__main__", alter_sys=True)
except BaseException:
    pass  # there is no job, no model and no text; only the beginning matters
os.write(2, b"hooks %d" % len(seen))
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, input="", check=False)
    assert "hooks 1" in done.stderr, done.stderr[-500:]
