"""`rightsized demo`, which is what `make up` runs: started again it finds everything as it was left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rightsized.data import path as sample

WAIT_S = 60


@contextmanager
def demo(home: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "rightsized.cli", "demo", "--port", "0", "--json", "--home", str(home)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RIGHTSIZED_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.wait(WAIT_S)


def handled(url: str, name: str) -> int:
    with urllib.request.urlopen(f"{url}/v1/tasks/{name}", timeout=WAIT_S) as answer:
        status: dict[str, Any] = json.load(answer)
    return int(status["answered"] + status["abstained"])


def test_the_sample_stream_is_sent_once(copied_home: Path) -> None:
    messages = len(sample("support_stream.csv").read_text("utf-8").splitlines()) - 1
    deadline = time.monotonic() + WAIT_S
    with demo(copied_home) as url:
        while handled(url, "support") < messages and time.monotonic() < deadline:
            time.sleep(0.1)
        assert handled(url, "support") == messages
    with demo(copied_home) as url:
        body = json.dumps({"task": "support", "texts": ["Where is my parcel?"] * 20}).encode()
        request = urllib.request.Request(f"{url}/v1/classify", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            assert answer.status == 200
        assert handled(url, "support") == messages + 20
