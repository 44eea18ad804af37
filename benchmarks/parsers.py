"""Parsers: words lost, added and out of order in documents of known words, time, hostile documents, damaged ones.

Ours run in their sandbox, as they do in use. The peer (MarkItDown, in its own environment) converts the same files in
one warm process; for the hostile table it gets a child with the same limits.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks import harness
from benchmarks.documents import HEADER, MAKERS, Source, invent
from benchmarks.documents_hostile import READ, TABLE, Hostile
from benchmarks.documents_paged import RUNNING
from benchmarks.peer import Peer, PeerUnavailable
from rightsized.core.errors import DocumentError
from rightsized.parsers.limits import Limits
from rightsized.parsers.ocr import installed
from rightsized.parsers.sandbox import Pool

PEER = ("markitdown[docx,outlook,pdf,pptx,xlsx]==0.1.9",)
LIMITS = Limits(wall_seconds=300, cpu_seconds=200, memory_mb=1500)
PICTURES = ("PNG", "PDF, scanned")
SEVERAL = ("MBOX", "ZIP")  # their words are in their parts
_FRAME = frozenset(["sheet1", "sheet", "part", "text", "title", "of"])


def main() -> int:
    """Entry of the command line."""
    given = harness.options("parsers", __doc__.splitlines()[0] if __doc__ else "", _configure)
    sizes = (2, 4, 1.0, 60) if given.quick else (10, 12, given.extra.scale, given.extra.fuzz)
    documents, sections, scale, fuzz = sizes
    result: dict[str, Any] = {"limits": _limits(), "ocr": installed()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = _write(folder, documents, sections)
        with Pool(1) as pool:
            result["start_ms"] = _start(pool, folder)
            result["formats"] = _formats(pool, files)
            result["hostile"] = [_hostile(pool, hostile, folder, scale) for hostile in TABLE]
            result["fuzz"] = _fuzz(pool, files, folder, fuzz)
        result["peer"] = _peer(files, folder, scale, result)
    return harness.finish(given, result, _lines(result))


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", type=float, default=100.0, help="size of hostile documents; 100 is as large as named"
    )
    parser.add_argument("--fuzz", type=int, default=400, help="damaged documents of each format")


def _limits() -> dict[str, float]:
    return {name: getattr(LIMITS, name) for name in LIMITS.__struct_fields__}


def _write(folder: Path, documents: int, sections: int) -> dict[str, list[tuple[Path, Source]]]:
    found: dict[str, list[tuple[Path, Source]]] = {}
    for number, (form, (ending, make)) in enumerate(MAKERS.items()):
        count, size = (min(documents, 3), 1) if form in PICTURES else (documents, sections)
        for seed in range(count):
            path = folder / f"{number}-{seed}.{ending}"
            make(invent(seed, size), path)
            found.setdefault(form, []).append((path, invent(seed, size)))
    return found


def _start(pool: Pool, folder: Path) -> dict[str, float]:
    """Wall milliseconds of the first document, with the start of the worker, and of the same one again."""
    path = folder / "short.txt"
    path.write_text("The buyer pays.\n")
    times = []
    for _ in range(21):
        began = time.perf_counter()
        pool.parse(path, path.name)
        times.append((time.perf_counter() - began) * 1000)
    return {"first": times[0], "warm_median": sorted(times[1:])[10]}


def _worker_seconds() -> float:
    children = psutil.Process().children(recursive=True)
    return sum(sum(one.cpu_times()[:2]) for one in children)


def _formats(pool: Pool, files: dict[str, list[tuple[Path, Source]]]) -> dict[str, Any]:
    found = {}
    for form, documents in files.items():
        if form in PICTURES and not installed():
            continue
        harness.note(form)
        _words(pool, documents[0][0])  # the format's imports are paid before
        cpu, wall, rows = 0.0, 0.0, []
        for path, source in documents:
            used, began = _worker_seconds(), time.perf_counter()
            words = _words(pool, path)
            wall += time.perf_counter() - began
            cpu += _worker_seconds() - used
            rows.append(compare(source.words(), words))
        found[form] = _summary(rows, [path for path, _ in documents], cpu) | {"wall_ms": wall * 1000 / len(documents)}
    return found


def _words(pool: Pool, path: Path) -> list[str]:
    parsed = pool.parse(path, path.name, limits=LIMITS)
    words = _split(parsed.text)
    for part in parsed.parts:
        inner = path.with_name(f"part-{path.name}-{Path(part.name).name}")
        inner.write_bytes(part.data)
        words += _split(pool.parse(inner, part.name, limits=LIMITS).text)
        inner.unlink()
    return words


def _split(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def compare(expected: Iterable[str], read: Iterable[str]) -> dict[str, int]:
    """Counts of words expected, lost, added, and of those in the longest run that kept its order (ends of section
    numbers, names of sheets and running lines that are in the file are not counted as added)."""
    wanted, got = [one.lower() for one in expected], [one.lower() for one in read]
    known = {word: at for at, word in enumerate(wanted)}
    framing = _FRAME | {one.lower() for one in (*HEADER.split(), *RUNNING.split(), "page")}
    lost, more = Counter(wanted) - Counter(got), Counter(got) - Counter(wanted)
    added = sum(count for word, count in more.items() if word not in framing and not (word.isdigit() and len(word) < 4))
    tails: list[int] = []
    places = [known[word] for word in got if word in known]
    for place in places:
        at = bisect_left(tails, place)
        tails[at : at + 1] = [place]
    return {"expected": len(wanted), "lost": lost.total(), "added": added, "found": len(places), "ordered": len(tails)}


def _summary(rows: Sequence[dict[str, int]], paths: Sequence[Path], cpu: float) -> dict[str, float]:
    total = {key: sum(row[key] for row in rows) for key in rows[0]}
    size = sum(path.stat().st_size for path in paths)
    return {
        "documents": len(rows),
        "words": total["expected"],
        "lost": total["lost"],
        "added": total["added"],
        "order_kept": total["ordered"] / max(1, total["found"]),
        "cpu_ms": cpu * 1000 / len(rows),
        "mb_a_cpu_second": size / 1e6 / cpu if cpu else 0.0,
    }


def _hostile(pool: Pool, hostile: Hostile, folder: Path, scale: float) -> dict[str, Any]:
    harness.note(hostile.name)
    path = _hostile_file(hostile, folder, scale)
    began = time.perf_counter()
    detail = ""
    try:
        parsed = pool.parse(path, path.name, limits=LIMITS)
        outcome = READ if hostile.holds in parsed.text else "read, words missing"
        detail = "; ".join(parsed.notes)[:200]
    except DocumentError as error:
        outcome, detail = error.reason, error.message[:200]
    return {
        "document": hostile.name,
        "bytes": path.stat().st_size,
        "outcome": outcome,
        "right": outcome in hostile.outcomes,
        "seconds": time.perf_counter() - began,
        "detail": detail,
    }


def _hostile_file(hostile: Hostile, folder: Path, scale: float) -> Path:
    path = folder / f"hostile-{TABLE.index(hostile)}.{hostile.ending}"
    if not path.exists():
        hostile.write(path, scale)
    return path


def _fuzz(pool: Pool, files: dict[str, list[tuple[Path, Source]]], folder: Path, count: int) -> dict[str, Any]:
    """Outcomes of damaged documents of each format, and the slowest in seconds."""
    found = {}
    for form, documents in files.items():
        if form in PICTURES:
            continue
        harness.note(f"damaged {form}")
        rng, data = random.Random(form), documents[0][0].read_bytes()
        outcomes: Counter[str] = Counter()
        slowest = 0.0
        for number in range(count):
            path = folder / f"damaged{documents[0][0].suffix}"
            path.write_bytes(_damaged(rng, data, number))
            began = time.perf_counter()
            try:
                pool.parse(path, path.name, limits=LIMITS)
                outcomes[READ] += 1
            except DocumentError as error:
                outcomes[error.reason] += 1
            slowest = max(slowest, time.perf_counter() - began)
        found[form] = {"outcomes": dict(outcomes), "slowest_seconds": slowest}
    return found


def _damaged(rng: random.Random, data: bytes, number: int) -> bytes:
    """Flipped bytes, a cut, a piece taken out, or a piece twice."""
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 60)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    low, high = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    if number % 4 == 1:
        del damaged[high:]
    elif number % 4 == 2:
        del damaged[low:high]
    elif number % 4 == 3:
        damaged[low:low] = damaged[low:high]
    return bytes(damaged)


def _peer(
    files: dict[str, list[tuple[Path, Source]]], folder: Path, scale: float, ours: dict[str, Any]
) -> dict[str, Any]:
    peer = Peer("markitdown", PEER, "markitdown_peer.py")
    try:
        with peer:
            formats = {form: _peer_format(peer, files[form]) for form in ours["formats"]}
            hostile = [_peer_hostile(peer, one, folder, scale) for one in TABLE]
            return {"peer": "markitdown", "versions": PEER, "formats": formats, "hostile": hostile}
    except PeerUnavailable as error:
        return peer.unavailable(error)


def _peer_format(peer: Peer, documents: list[tuple[Path, Source]]) -> dict[str, Any]:
    peer.call("convert", path=str(documents[0][0]))
    answers = [peer.call("convert", path=str(path)) for path, _ in documents]
    rows = [compare(source.words(), one["words"]) for one, (_, source) in zip(answers, documents, strict=True)]
    summary = _summary(rows, [path for path, _ in documents], sum(one["cpu_ms"] for one in answers) / 1000)
    return summary | {"error": next((one["error"] for one in answers if one["error"]), "")}


def _peer_hostile(peer: Peer, hostile: Hostile, folder: Path, scale: float) -> dict[str, Any]:
    harness.note(f"peer: {hostile.name}")
    path = _hostile_file(hostile, folder, scale)
    seconds = {"wall_seconds": LIMITS.wall_seconds, "cpu_seconds": LIMITS.cpu_seconds}
    answer = peer.call("hostile", None, path=str(path), memory_mb=LIMITS.memory_mb, **seconds)
    outcome = answer["outcome"]
    if outcome == READ and hostile.holds not in answer["text"]:
        outcome = "read, words missing"
    return {"document": hostile.name, "outcome": outcome, "seconds": answer["seconds"]}


def _lines(result: dict[str, Any]) -> list[str]:
    peers = result["peer"].get("formats", {})
    lines = [f"{'format':30}{'lost':>12}{'added':>8}{'order':>8}{'CPU ms':>9}   peer: lost, added, order, CPU ms"]
    for form, one in result["formats"].items():
        other = peers.get(form)
        beside = (
            f"{other['lost']}, {other['added']}, {other['order_kept']:.3f}, {other['cpu_ms']:.1f} {other['error']}"
            if other
            else result["peer"].get("unavailable", "")
        )
        share = f"{one['lost']}/{one['words']}"
        lines.append(f"{form:30}{share:>12}{one['added']:>8}{one['order_kept']:>8.3f}{one['cpu_ms']:>9.1f}   {beside}")
    outcomes = {one["document"]: one["outcome"] for one in result["peer"].get("hostile", [])}
    for one in result["hostile"]:
        mark = "" if one["right"] else "  WRONG"
        beside = outcomes.get(one["document"], "")
        lines.append(f"{one['document']:40}{one['outcome']:>14}{one['seconds']:>8.2f} s   peer: {beside}{mark}")
    for form, one in result["fuzz"].items():
        lines.append(f"damaged {form:32}{one['outcomes']} slowest {one['slowest_seconds']:.2f} s")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
