"""Our detector in a process of its own, over the same pipe as a peer, so that its memory can be told.

`python -m benchmarks.pii_worker patterns|names HOME` reads one JSON request a line, as benchmarks/peers/wire.py does.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from rightsized.guard.pii.detector import PiiDetector
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.names import open_detector


def detect(detector: PiiDetector, texts: list[str]) -> dict[str, Any]:
    """Spans [start, end, type, score] and milliseconds of each text."""
    found, times, failures = [], [], 0
    for text in texts:
        began = time.perf_counter()
        findings = detector.detect(text)
        times.append((time.perf_counter() - began) * 1000)
        failures += not findings.complete
        found.append([[one.start, one.end, one.type, one.score] for one in findings.found])
    return {"found": found, "ms": times, "failures": failures}


def main() -> None:
    """Answer requests until the pipe is closed."""
    kind, home = sys.argv[1:3]
    detector = open_detector(ModelStore(Home(Path(home)))) if kind == "names" else PiiDetector()
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        if request["operation"] == "memory":
            value: Any = psutil.Process().memory_info().rss
        else:
            value = detect(detector, request["arguments"]["texts"])
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
