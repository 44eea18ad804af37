"""`rightsized pii`: what personal, health or secret data a text holds, and which class that makes it.

Reads a file or standard input and nothing else; nothing is recorded. What was found is shown masked unless asked for.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned
from rightsized.core.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from rightsized.core.pii import Findings
    from rightsized.guard.pii.detector import PiiDetector

app = typer.Typer(name="pii", help="Personal, health and secret data in texts: scan, types.", no_args_is_help=True)
STDIN = "-"
_SHOWN = 200  # findings listed for people; --json gives all
_MARK = 24  # most characters of a revealed finding


@dataclass(frozen=True, kw_only=True)
class ScanOptions(Common):
    file: Annotated[str, typer.Argument(help="Text file in UTF-8, or - for standard input.")]
    reveal: Annotated[bool, typer.Option("--reveal", help="Show what was found instead of masking it.")] = False
    patterns_only: Annotated[
        bool, typer.Option("--patterns-only", help="Without the tagger of names, which needs the encoder.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class TypesOptions(Common):
    pass


def scan(options: ScanOptions) -> Result:
    """Find personal, health and secret data in a text.

    The exit status is 0 whatever is found; the class says what the text may be used for.
    """
    text = _read(options.file)
    findings = _detector(options).detect(text)
    data: dict[str, Any] = msgspec.to_builtins(findings)
    if options.reveal:
        for one in data["found"]:
            one["value"] = text[one["start"] : one["end"]]
    data["masked"] = masked(text, findings)
    return Result(data, _told(text, findings, reveal=options.reveal))


def types(options: TypesOptions) -> Result:
    """List what is looked for: type, class of a text that holds it, recogniser, and an example."""
    from rightsized.guard.pii.detector import TAGGED, TAGGER, opened

    rows = [
        [kind, data_class, one.name, next((e.value for e in one.examples if e.type == kind), "").partition("\n")[0]]
        for one in opened(options.settings().pii)
        for kind, data_class in one.classes.items()
    ]
    rows += [[kind, data_class, TAGGER, ""] for kind, data_class in TAGGED.items()]
    names = ("type", "data_class", "recogniser", "example")
    return Result([dict(zip(names, row, strict=True)) for row in sorted(rows)], aligned(names, sorted(rows)))


def masked(text: str, findings: Findings) -> str:
    """The text with each finding replaced by its type in brackets."""
    pieces, done = [], 0
    for one in findings.found:
        pieces += [text[done : one.start], f"[{one.type}]"]
        done = one.end
    return "".join([*pieces, text[done:]])


def _read(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {file!r}.", fix="Name a text file, or - for standard input.") from None
    except OSError as error:
        raise InputError(f"{file!r} cannot be read: {error.strerror}.") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file!r} is not UTF-8: {error.reason} at byte {error.start}.") from None


def _detector(options: ScanOptions) -> PiiDetector:
    from rightsized.guard.pii.detector import PiiDetector
    from rightsized.store.home import Home
    from rightsized.store.models import ModelStore
    from rightsized.tasks.names import open_detector

    config = options.settings()
    if options.patterns_only:
        return PiiDetector(config.pii)
    return open_detector(ModelStore(Home(config.home)), config.pii)


def _told(text: str, findings: Findings, *, reveal: bool) -> str:
    parts = [f"class: {findings.data_class}"]
    if findings.failures:
        parts.append(f"NOT ALL WAS READ, so the class is the most restrictive: {', '.join(findings.failures)}")
    if not findings.found:
        return "\n".join([*parts, "Nothing was found."])
    counts = Counter(one.type for one in findings.found)
    parts.append("found: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    heads = ["type", "start", "end", "score", "source", *(["text"] if reveal else [])]
    rows = [
        [one.type, str(one.start), str(one.end), f"{one.score:.2f}", one.source, *([_cut(text, one)] if reveal else [])]
        for one in findings.found[:_SHOWN]
    ]
    parts += ["", aligned(heads, rows)]
    if len(findings.found) > _SHOWN:
        parts.append(f"... and {len(findings.found) - _SHOWN} more; --json gives all.")
    return "\n".join(parts if reveal else [*parts, "", masked(text, findings)])


def _cut(text: str, one: Any) -> str:
    value = " ".join(text[one.start : one.end].split())
    return value if len(value) <= _MARK else f"{value[: _MARK - 1]}…"


add(app, "scan", ScanOptions, scan)
add(app, "types", TypesOptions, types)
