"""MarkItDown: documents to Markdown, each in a child of its own under the limits that ours has."""

import multiprocessing
import re
import resource
import time

from markitdown import MarkItDown  # after `wire`, which takes standard output away from libraries
from wire import serve

CONTEXT = multiprocessing.get_context("fork")


def _words(text):
    return re.findall(r"\w+", text)


def _convert(path, sender, memory_mb, cpu_seconds):
    most = int(memory_mb * 1e6)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds), int(cpu_seconds) + 1))
    try:
        text = MarkItDown().convert(path).markdown
        sender.send(["read", _words(text)[:200_000], text[:2_000_000]])
    except MemoryError:
        sender.send(["memory", [], ""])
    except BaseException as error:  # noqa: BLE001 - whatever it raises is the result
        sender.send([f"raised {type(error).__name__}", [], ""])


def hostile(path, wall_seconds, cpu_seconds, memory_mb):
    """Outcome and the text of one document."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=_convert, args=(path, sender, memory_mb, cpu_seconds))
    began = time.monotonic()
    child.start()
    sender.close()
    outcome, text = "", ""
    if receiver.poll(wall_seconds):
        try:
            outcome, _, text = receiver.recv()
        except EOFError:
            outcome = ""
    else:
        outcome = "timeout"
    child.kill()
    child.join()
    if not outcome:
        outcome = "memory or crash" if child.exitcode == -9 else f"crash (signal {-child.exitcode})"
    return {"outcome": outcome, "text": text[:200_000], "seconds": time.monotonic() - began}


CONVERTER = MarkItDown()


def convert(path):
    """The words of one sound document, in this warm process."""
    began = time.process_time()
    try:
        text = CONVERTER.convert(path).markdown
    except Exception as error:  # noqa: BLE001 - whatever it raises is the result
        return {"words": [], "cpu_ms": 0.0, "error": f"{type(error).__name__}: {error}"[:200]}
    return {"words": _words(text), "cpu_ms": (time.process_time() - began) * 1000, "error": ""}


serve(convert=convert, hostile=hostile)
