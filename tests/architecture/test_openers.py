"""Connections are opened by one module, and by a handful of others for reasons written here. No list grows silently.

Every import that can open a socket, speak HTTP or start a program is found in the syntax tree of every file.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "rightsized"
NETWORK = (
    "socket", "aiohttp", "aiohappyeyeballs", "http.client", "urllib.request", "urllib3", "requests", "httpx", "ftplib",
    "smtplib", "imaplib", "imapclient", "telnetlib", "xmlrpc", "websockets", "huggingface_hub", "socketserver",
    "asyncio.open_connection",
)  # fmt: skip
METHODS = ("create_connection", "create_datagram_endpoint", "getaddrinfo", "sock_connect", "start_connection")
PROGRAMS = ("subprocess", "os.system", "os.popen", "os.spawn", "pty", "asyncio.create_subprocess")
# Why each may: it asks Egress before each connection, or it cannot leave this machine.
MAY_CONNECT = {
    "engines/remote/connect.py": "remote tiers: asks Egress before each connection and look-up, and notes it",
    "apps/triage/imap/wire.py": "a mail server: asks Egress before each connection, and notes it",
    "apps/triage/imap/session.py": "the errors of imaplib; its connections are wire.py's",
    "apps/triage/actions/http.py": "web hooks and a helpdesk: asks Egress before each connection, and notes it",
    "apps/triage/actions/smtp.py": "a mail server that forwards: asks Egress before each connection, and notes it",
    "apps/search/connectors/s3_client.py": "a bucket: asks Egress before each connection and request, and notes it",
    "ledger/sinks/witness.py": "a witness of the log: asks Egress before each connection, and notes it",
    "ledger/sinks/syslog.py": "a Unix socket of this machine's syslog",
    "engines/llamacpp/client.py": "a Unix socket of a worker on this machine",
    "tasks/remote.py": "a command of this machine to its own server, at the address in the lock file",
    "compress/gguf/score.py": "llama.cpp's port on loopback, inside the net",
    "server/run.py": "listens",
    "store/sources/hub.py": "huggingface_hub, inside Egress.opening",
}
MAY_START = {
    "core/egress.py": "pip, noted",
    "jobs/local.py": "our own child, inside the net",
    "tasks/measure.py": "our own child, inside the net",
    "engines/llamacpp/process.py": "our own worker, inside the net",
    "engines/testrun/runner.py": "our own children, which can reach nothing: a network namespace and no socket",
    "engines/cpu.py": "sysctl, a command of the system",
    "compress/gguf/child.py": "converter and comparison, inside the net",
    "tune/contrastive.py": "a script of ours in a Python that has torch, inside the net",
    "parsers/process.py": "our own worker, inside the net",
}
FILES = sorted(ROOT.rglob("*.py"))


def uses(source: str, names: tuple[str, ...]) -> set[str]:
    """Which of the modules or functions a source imports or calls by its dotted name."""
    found = named(source)
    return {name for name in names if any(one == name or one.startswith((f"{name}.", f"{name}_")) for one in found)}


@cache
def named(source: str) -> frozenset[str]:
    """Everything that a source imports, and the dotted names it calls by which something could be opened."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in ("os", "asyncio"):
            found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Attribute) and node.attr in METHODS:
            found.add(node.attr)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("__import__", "import_module"):
            found |= {str(one.value) for one in node.args if isinstance(one, ast.Constant)}
    return frozenset(found)


@pytest.mark.parametrize(("names", "may"), [((*NETWORK, *METHODS), MAY_CONNECT), (PROGRAMS, MAY_START)])
def test_only_these_open(names: tuple[str, ...], may: dict[str, str]) -> None:
    found = {str(path.relative_to(ROOT)): uses(path.read_text("utf-8"), names) for path in FILES}
    openers = {path: used for path, used in found.items() if used}
    assert {path: used for path, used in openers.items() if path not in may} == {}, "open it through core/egress"
    assert {path for path in may if path not in openers} == set(), "no longer needed here"


def test_fetchers_go_through_the_opener() -> None:
    """No file but the opener names pip as a program to start; those that fetch hand it to Egress."""
    for path in FILES:
        source = path.read_text("utf-8")
        if '"pip", "download"' in source:
            assert "subprocess" not in uses(source, PROGRAMS), path
            assert "follow(" in source, path
    hub = (ROOT / "store" / "sources" / "hub.py").read_text("utf-8")
    assert "egress.opening(" in hub
    assert "_egress.connecting(" in (ROOT / "ledger" / "sinks" / "witness.py").read_text("utf-8")


def test_the_check_can_fail() -> None:
    assert uses("import socket", NETWORK) == {"socket"}
    assert uses("from urllib import request", NETWORK) == {"urllib.request"}
    assert uses("import asyncio\nasyncio.open_connection('a', 1)", NETWORK) == {"asyncio.open_connection"}
    assert uses("import asyncio\nasyncio.create_subprocess_exec('a')", PROGRAMS) == {"asyncio.create_subprocess"}
    assert uses("loop.create_connection(f)", METHODS) == {"create_connection"}
    assert uses("from urllib.parse import quote", NETWORK) == set()
