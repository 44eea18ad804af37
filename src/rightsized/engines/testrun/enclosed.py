"""Entry of both enclosed processes: enclose first, say so, only then be told what to run.

`python -I -S -B -c ENTRY FOLDER ROLE PARENT SECONDS MEMORY DISK [READING WRITING]`. What is to be run comes on standard
input once this process has said on standard output that it is enclosed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys

from rightsized.engines.testrun.enclosure import Bounds, RefusedError, enclose

READY = b"enclosed\n"
ENTRY = "import sys; sys.path.insert(0, sys.argv.pop(1)); from rightsized.engines.testrun.enclosed import main; main()"
# Loaded before the door is shut: they need libraries of the system, which are not shown inside.
BEFOREHAND = ("zlib", "bz2", "lzma", "hashlib", "decimal", "math", "random", "unicodedata", "datetime", "re", "json")
_MOST = 1 << 26  # bytes of what is to be run


def main() -> None:
    """Ends the process."""
    role, parent, seconds, memory, disk, *line = sys.argv[1:]
    os.environ.clear()
    sys.path.pop(0)
    part = importlib.import_module(f"rightsized.engines.testrun.{role}") if role in ("judge", "answering") else None
    for name in BEFOREHAND:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    try:
        enclose(Bounds(int(seconds), int(memory), int(disk)), int(parent))
    except (RefusedError, OSError) as error:
        os.write(1, f"refused {error}\n".encode()[:400])
        os._exit(3)
    os.write(1, READY)
    told = _told()
    reading, writing = (int(one) for one in line)
    assert part is not None
    if role == "answering":
        os.close(1)
        part.hold(told, reading, writing)
    verdict = part.judge(told, reading, writing)
    os.write(1, json.dumps(verdict).encode())
    os._exit(0)


def _told() -> str:
    data = bytearray()
    while len(data) < _MOST and (chunk := os.read(0, 1 << 16)):
        data += chunk
    if not data:
        os._exit(4)  # whoever would say what to run has ended
    return data.decode("utf-8", "surrogatepass")
