"""Nothing leaves: the whole served path runs in a network namespace, and the packet capture beside it is empty.

The steps are in `no_network_steps.py`; a part joins by adding one. Twice: without a route, and with a route into a trap
in which every attempt would become a packet.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import share_encoder
from tests.e2e.namespace import OUTSIDE, enclosed, left, look_ups, missing, seen

pytestmark = [pytest.mark.needs_netns, pytest.mark.slow]
STEPS = [sys.executable, "-m", "tests.e2e.no_network_steps"]


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    if why := missing():
        pytest.skip(why)


@pytest.mark.parametrize("kind", ["no-route", "trap"])
def test_the_whole_served_path_sends_nothing(kind: str, encoder_home: Path, tmp_path: Path) -> None:
    share_encoder(encoder_home, tmp_path / "home")
    done = enclosed(kind, tmp_path, [*STEPS, str(tmp_path)])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("the_record_is_read"), done.stdout
    knock = left(tmp_path)
    assert all(f"> {OUTSIDE}.9: UDP, length 4" in packet for packet in knock), knock
    assert bool(knock) == (kind == "trap")  # the packet sent on purpose, and none beside it
    assert look_ups(tmp_path) == []
    assert len(seen(tmp_path, "tcp")) > 200  # the capture saw the server being asked


def test_the_trap_shows_a_look_up_and_a_connection(tmp_path: Path) -> None:
    """The check can fail: a program that calls home is seen."""
    code = (
        "import socket\n"
        "try:\n    socket.getaddrinfo('home.example', 443)\nexcept OSError:\n    pass\n"
        "sender = socket.socket()\nsender.settimeout(0.2)\n"
        "try:\n    sender.connect(('198.51.100.7', 443))\nexcept OSError:\n    pass\n"
    )
    done = enclosed("trap", tmp_path, [sys.executable, "-c", code], timeout=60)
    assert done.returncode == 0, done.stderr
    packets = "\n".join(left(tmp_path))
    assert "198.51.100.7.443" in packets
    assert "home.example" in "\n".join(look_ups(tmp_path))
