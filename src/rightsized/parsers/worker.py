"""The process that parses: reads requests from its standard input, writes answers to what was its standard output.

Started as `python -P -B -m rightsized.parsers.worker LIFELINE`. It stays for many documents, so that the
imports of a format are paid once. Whatever a parser raises becomes an answer; what ends the process is its parent's
to explain.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import msgspec

from rightsized.core import registry
from rightsized.core.errors import DocumentError, MissingExtraError, NotFoundError
from rightsized.parsers import confinement
from rightsized.parsers.limits import begin
from rightsized.parsers.media_types import media_type
from rightsized.parsers.types import Parsed
from rightsized.parsers.wire import (
    LENGTH,
    Answer,
    Failure,
    Page,
    Ready,
    Request,
    Success,
    frame,
    longest_answer,
)

GROUP = "rightsized.parsers"
DRAWN = "application/pdf"


def read(request: Request) -> Answer:
    """Parse one document; every failure is an answer."""
    begin(request.limits)
    try:
        return _read(request)
    except DocumentError as error:
        return Failure(error.message, error.reason, error.fix)
    except MissingExtraError as error:
        return Failure(error.message, "unsupported", error.fix)
    except MemoryError:
        return memory(request)
    except RecursionError:
        return Failure(f"{request.name} nests deeper than can be read.", "malformed")
    except OSError as error:
        return Failure(f"{request.name} cannot be read: {error.strerror or error}.", "malformed")
    except Exception as error:  # noqa: BLE001 - hostile input makes libraries raise anything; the document is to blame
        detail = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return Failure(f"{request.name} cannot be read ({detail}).", "malformed")


def memory(request: Request) -> Failure:
    """The answer where there was not enough of it."""
    limit = f"{request.limits.memory_mb:g} MB"
    return Failure(f"{request.name} needs more than the {limit} of memory that a document may use.", "memory")


def _read(request: Request) -> Answer:
    path = Path(request.path)
    if not path.stat().st_size:
        raise DocumentError(f"{request.name} is empty (0 bytes).", reason="empty")
    kind = media_type(path, request.name)
    if request.page is not None:
        return _drawn(path, request.name, request.page, kind)
    try:
        parser = registry.resolve(GROUP, kind)
    except NotFoundError:
        raise DocumentError(f"{request.name} is {kind}, which is not read.", reason="unsupported") from None
    parsed: Parsed = parser(path, request.name)
    _check(parsed, request)
    if not (parsed.text.strip() or parsed.parts or parsed.notes):
        raise DocumentError(f"{request.name} holds no text.", reason="empty")
    return Success(parsed, kind)


def _drawn(path: Path, name: str, page: Page, kind: str) -> Answer:
    if kind != DRAWN:
        raise DocumentError(f"{name} is {kind}; only pages of PDF are drawn.", reason="unsupported")
    from rightsized.parsers.pdf.drawing import draw

    return draw(path, name, page)


def _check(parsed: Parsed, request: Request) -> None:
    limits = request.limits
    sizes = (
        (len(parsed.text), limits.characters, "characters of text"),
        (len(parsed.parts), limits.parts, "parts"),
        (sum(len(part.data) for part in parsed.parts), limits.part_bytes, "bytes of parts"),
    )
    for found, most, what in sizes:
        if found > most:
            raise DocumentError(
                f"{request.name} has {found:,} {what}; the limit is {most:,}.", reason="too-large", fix="Split it."
            )


def _serve(requests: io.BufferedReader, answers: int) -> None:
    _write(answers, frame(Ready()))
    while head := requests.read(LENGTH.size):
        request = msgspec.msgpack.decode(requests.read(LENGTH.unpack(head)[0]), type=Request)
        confinement.allow(request.limits)
        answer = read(request)
        try:
            data = frame(answer)
        except MemoryError:
            data = frame(memory(request))
        if len(data) > longest_answer(request.limits):
            data = frame(Failure(f"{request.name} has too much structure to keep.", "too-large"))
        confinement.rest()
        _write(answers, data)
        del answer, data


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def main() -> None:
    """Entry of the process."""
    lifeline = int(sys.argv[1])
    os.set_inheritable(lifeline, False)
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not end up between two answers
    confinement.confine(lifeline)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # from here on what is printed is lost: no file may be written
    os.dup2(nowhere, 2)
    _serve(sys.stdin.buffer, answers)  # type: ignore[arg-type]  # a BufferedReader, typed as BinaryIO


if __name__ == "__main__":
    main()
