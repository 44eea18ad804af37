"""How well personal data are found, how fast, and beside Presidio (figure 3).

Reads `privacy/pii_synth_dev.json` and the CoNLL files under the data folder: WNUT17's development part and section H
of the Broad Twitter Corpus. Nothing was fitted or chosen on them. `--data` may also name one file of either shape.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks import harness, models
from benchmarks.harness import note, percentiles
from benchmarks.peer import Peer, PeerUnavailable
from benchmarks.pii_data import NAMES, Labelled, Span, read_corpus, read_synthetic
from benchmarks.pii_metrics import count

CORPORA = {"wnut17_dev": ("emerging.dev.conll",), "btc_h": ("h.conll",)}
# Types of the synthetic data, and ours that mean the same. Title, date and nationality are not claimed.
OURS = {
    "CREDIT_CARD": "payment_card",
    "IBAN_CODE": "iban",
    "US_SSN": "national_id",
    "EMAIL_ADDRESS": "email",
    "IP_ADDRESS": "ip_address",
    "DOMAIN_NAME": "url",
    "PHONE_NUMBER": "phone",
    "US_DRIVER_LICENSE": "driving_licence",
    "AGE": "age",
    "ZIP_CODE": "postcode",
    "STREET_ADDRESS": "address",
    "PERSON": "person",
    "ORGANIZATION": "organisation",
    "GPE": "place",
}
STRUCTURED = (
    "CREDIT_CARD",
    "IBAN_CODE",
    "US_SSN",
    "EMAIL_ADDRESS",
    "IP_ADDRESS",
    "DOMAIN_NAME",
    "PHONE_NUMBER",
    "US_DRIVER_LICENSE",
)
PRESIDIO = {"URL": "DOMAIN_NAME", "LOCATION": "GPE"}  # where its name of a type is not that of the data
REQUIREMENTS = (
    "presidio-analyzer==2.2.360",
    "spacy==3.8.18",
    "tldextract==5.4.0",
    "phonenumbers==9.0.43",
    "numpy==2.4.6",
    "psutil==7.2.2",
)
ROUNDS = 3  # each text is read so many times, the systems in turn; its fastest reading counts
Answer = dict[str, Any]


class Worker:
    """Our detector in a process of its own."""

    def __init__(self, kind: str) -> None:
        command = [sys.executable, "-m", "benchmarks.pii_worker", kind, str(models.home().path)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=harness.ROOT
        )

    def call(self, operation: str, **arguments: Any) -> Any:
        """Ask for `detect` or `memory`."""
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the worker has no pipe")
        process.stdin.write(json.dumps({"operation": operation, "arguments": arguments}) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=30)
        if self._process.stdout:
            self._process.stdout.close()


def data_sets(given: Path) -> tuple[list[Labelled], dict[str, list[Labelled]]]:
    """Synthetic rows and corpora: those under a data folder (or its `privacy`), or those of one file of either shape.

    Raises FileNotFoundError where there are none.
    """
    if given.is_file():
        if given.suffix == ".json":
            return read_synthetic(given), {}
        return [], {given.stem: read_corpus([given])}
    folder = given / "privacy" if (given / "privacy").is_dir() else given
    rows = [row for file in sorted(folder.glob("pii*.json")) for row in read_synthetic(file)]
    ner = folder / "ner" if (folder / "ner").is_dir() else folder
    known = {name: [ner / file for file in files] for name, files in CORPORA.items()}
    if not all(file.is_file() for files in known.values() for file in files):
        known = {file.stem: [file] for file in sorted(ner.glob("*.conll"))}
    if not rows and not known:
        raise FileNotFoundError(f"{given} holds neither pii*.json nor *.conll files.")
    return rows, {name: read_corpus(files) for name, files in known.items()}


def spans(found: Sequence[Sequence[Any]], types: dict[str, str]) -> list[Span]:
    """Spans with the types of the data; a type that is not among them keeps its name."""
    return [Span(int(start), int(end), types.get(kind, kind)) for start, end, kind, _ in found]


def figures(rows: list[Labelled], answer: Answer, types: dict[str, str], wanted: Sequence[str]) -> dict[str, Any]:
    """Counts by type, and milliseconds a text."""
    said = [spans(one, types) for one in answer["found"]]
    counted = {kind: counts.figures() for kind, counts in count(rows, said, wanted).items()}
    return {"texts": len(rows), "types": counted, "ms": percentiles(answer["ms"])}


def structured(types: dict[str, Any]) -> dict[str, float]:
    """All structured types together: recall and precision of spans exact to the character."""
    some = [types[kind] for kind in STRUCTURED if kind in types]
    real, found = sum(t["real"] for t in some), sum(t["found"] for t in some)
    right = sum(round((t["recall"] or 0) * t["real"]) for t in some)
    return {"real": real, "recall": right / max(real, 1), "precision": right / max(found, 1)}


def fastest(system: Worker | Peer, texts: list[str], rounds: int) -> Answer:
    """What a system found, and each text's fastest reading of several."""
    answers = [system.call("detect", texts=texts) for _ in range(rounds)]
    times = [min(ms) for ms in zip(*(answer["ms"] for answer in answers), strict=True)]
    return {**answers[0], "ms": times}


def ours(kind: str, rows: list[Labelled], corpora: dict[str, list[Labelled]], rounds: int) -> dict[str, Any]:
    """Our figures, with the tagger of names (`names`) or without (`patterns`)."""
    note(f"rightsized, {kind}")
    mapped = {our: theirs for theirs, our in OURS.items()}
    result: dict[str, Any] = {}
    with Worker(kind) as worker:
        worker.call("detect", texts=["warm up, jane@example.org"])
        result["memory_mb_idle"] = worker.call("memory") / 1e6
        if rows:
            answer = fastest(worker, [row.text for row in rows], rounds)
            result["synthetic"] = figures(rows, answer, mapped, [*OURS])
            result["synthetic"]["structured"] = structured(result["synthetic"]["types"])
            result["synthetic"]["incomplete"] = answer["failures"]
        for name, corpus in corpora.items() if kind == "names" else ():
            answer = fastest(worker, [row.text for row in corpus], 1)
            result[name] = figures(corpus, answer, {}, NAMES)
            result.setdefault("all", {"rows": [], "found": [], "ms": []})
            for key, values in (("rows", corpus), ("found", answer["found"]), ("ms", answer["ms"])):
                result["all"][key] += values
        if "all" in result:
            joint = result.pop("all")
            result["all_corpora"] = figures(joint["rows"], joint, {}, NAMES)
        result["memory_mb"] = worker.call("memory") / 1e6
    return result


def presidio(rows: list[Labelled], rounds: int) -> dict[str, Any]:
    """Presidio's figures on the synthetic rows."""
    peer = Peer("presidio", REQUIREMENTS, "presidio_peer.py")
    try:
        with peer:
            note("presidio")
            peer.call("detect", texts=["warm up, jane@example.org"])
            idle = peer.call("memory") / 1e6
            found = figures(rows, fastest(peer, [row.text for row in rows], rounds), PRESIDIO, [*OURS])
            found["structured"] = structured(found["types"])
            installed = peer.versions()
            pinned = [pin.partition("==")[0].replace("-", "_") for pin in REQUIREMENTS]
            return {
                "synthetic": found,
                "memory_mb_idle": idle,
                "memory_mb": peer.call("memory") / 1e6,
                "versions": {name: installed.get(name) for name in pinned},
            }
    except PeerUnavailable as reason:
        return peer.unavailable(reason)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure ours with and without the tagger, and Presidio."""
    given = harness.options("pii", __doc__ or "", _more, arguments)
    rows, corpora = data_sets(given.data)
    if given.quick:
        rows, corpora = rows[:100], {name: corpus[:100] for name, corpus in corpora.items()}
    rounds = 1 if given.quick else ROUNDS
    if rows or corpora:
        models.encoder().close()  # pulled once
    result: dict[str, Any] = {"names": ours("names", rows, corpora, rounds)}
    if rows:
        result["patterns"] = ours("patterns", rows, {}, rounds)
        if not given.extra.no_peer:
            result["presidio"] = presidio(rows, rounds)
    return harness.finish(given, result, _lines(result))


def _more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-peer", action="store_true", help="leave Presidio out")


def _lines(result: dict[str, Any]) -> list[str]:
    lines = []
    for system, found in result.items():
        for name, part in found.items():
            if not isinstance(part, dict) or "types" not in part:
                continue
            lines.append(f"{system}, {name}: {part['texts']} texts, ms {part['ms']}")
            for kind, t in part["types"].items():
                lines.append(
                    f"  {kind:18s} n {t['real']:5d}  recall {t['recall']}  precision {t['precision']}  "
                    f"overlapping {t['recall_overlap']} / {t['precision_overlap']}  covered {t['covered']}"
                )
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
