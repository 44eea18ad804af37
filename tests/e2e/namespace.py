"""A network namespace with a capture beside it, in which a command runs; and what the capture saw.

    python -m tests.e2e.namespace {no-route,trap} FOLDER COMMAND...

is run by `enclosed` under `unshare`, so that it and all its children have no network but their own loopback. In
`no-route` nothing can leave. In `trap` there is a device with a default route behind which nobody answers: whatever
tries to leave becomes a packet there and is seen. At the end one packet is sent on purpose, so that an empty capture
means something.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

NEEDED = ("unshare", "ip", "tcpdump")
ROOT = Path(__file__).parents[2]
OUTSIDE, OWN, PORT = "192.0.2.1", "192.0.2.2/24", 9  # addresses of RFC 5737, discard port
CAPTURE = "capture.pcap"
LEAVES = "not (src net 127.0.0.0/8 or src host ::1)"
NAMES = "port 53 or port 5353 or port 853 or port 5355"
SETTLE_S = 0.5
TRAP = (
    "ip link add out type veth peer name nowhere",
    "sysctl -qw net.ipv6.conf.out.disable_ipv6=1 net.ipv6.conf.nowhere.disable_ipv6=1",
    "ip link set out arp off",
    "ip link set nowhere arp off",
    f"ip addr add {OWN} dev out",
    "ip link set nowhere up",
    "ip link set out up",
    f"ip neigh add {OUTSIDE} lladdr 02:00:00:00:00:01 dev out",
    f"ip route add default via {OUTSIDE} dev out",
)


def missing() -> str:
    """What this machine lacks for a namespace with a capture, in words; empty where it lacks nothing."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"needs {', '.join(absent)} (Debian: iproute2, tcpdump, util-linux)"
    tried = subprocess.run([*unshared(), "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
    return f"no network namespace can be made here: {tried.stderr.strip()}" if tried.returncode else ""


def unshared() -> list[str]:
    """What starts a command in a network namespace of its own."""
    own_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *own_user, "--net", "--"]


def enclosed(kind: str, folder: Path, command: list[str], timeout: float = 280.0) -> subprocess.CompletedProcess[str]:
    """Run a command inside; its output and status. The capture lies in the folder afterwards."""
    inner = [sys.executable, "-m", "tests.e2e.namespace", kind, str(folder), *command]
    return subprocess.run([*unshared(), *inner], cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


def seen(folder: Path, wanted: str) -> list[str]:
    """Packets of the capture that a filter of tcpdump fits, one line each."""
    command = ["tcpdump", "-n", "-r", str(folder / CAPTURE), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def left(folder: Path) -> list[str]:
    """Packets that were not for this machine."""
    return seen(folder, LEAVES)


def look_ups(folder: Path) -> list[str]:
    """Packets that ask for a name, wherever they went: a resolver may listen on loopback."""
    return seen(folder, NAMES)


def main(kind: str, folder: Path, command: list[str]) -> int:
    """Build the namespace, run the command, send the packet that must be seen, stop the capture."""
    for line in ("ip link set lo up", *(TRAP if kind == "trap" else ())):
        subprocess.run(line.split(), check=True)
    capture = _capture(folder / CAPTURE)
    try:
        status = subprocess.run(command, check=False).returncode
        time.sleep(SETTLE_S)
        _knock("127.0.0.1" if kind == "no-route" else OUTSIDE)
        time.sleep(SETTLE_S)
    finally:
        capture.send_signal(signal.SIGINT)
        capture.wait(10)
    return status


def _capture(file: Path) -> subprocess.Popen[bytes]:
    user = ["-Z", "root"] if os.geteuid() == 0 else []
    command = ["tcpdump", "-i", "any", "-n", "-U", "--immediate-mode", "-w", str(file), *user]
    capture = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert capture.stderr
    for line in capture.stderr:
        if b"listening on" in line:
            return capture
    raise RuntimeError("tcpdump ended before it listened")


def _knock(host: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knocker:
        knocker.sendto(b"seen", (host, PORT))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
