"""`rightsized search watch` as a process: what is put into a folder is found, until it is told to end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path


def rightsized(home: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "rightsized.cli", "search", *words, "--home", str(home), "--json"]


def test_a_folder_is_kept_up_to_date(home: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "leave.md").write_text("# Leave\n\nStaff have 25 days.\n")
    add = rightsized(home, "add", str(root), "--collection", "docs")
    subprocess.run(add, check=True, capture_output=True, timeout=120)
    watch = subprocess.Popen(rightsized(home, "watch", "docs"), stdout=subprocess.PIPE, text=True)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.3):  # until the watch stands, changes go unseen
            (root / "travel.md").write_text(f"# Travel\n\nTrains are paid, number {number}.\n")
            number += 1

    writing = threading.Thread(target=write)
    writing.start()
    try:
        assert watch.stdout is not None
        line = json.loads(watch.stdout.readline())
        assert line["source"] == f"folder:{root}"
        assert line["added"] == 1
    finally:
        stop.set()
        writing.join()
        watch.send_signal(signal.SIGTERM)
        rest, _ = watch.communicate(timeout=60)
    assert watch.returncode == 0
    assert '"syncs"' in rest
