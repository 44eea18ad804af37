"""The data sets of triage's figure 1, and any file of texts and labels in the same shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from rightsized.tune.training import label_words

SEPARATOR = "|"
MOST_CHARS = 20_000  # of a text, as an inbox reads it
Labels = tuple[str, ...]


@dataclass(frozen=True)
class Labelled:
    """Texts and their labels; `held_*` are rows of a test file, where there is one. `words` describe the labels."""

    name: str
    texts: list[str]
    labels: list[Labels]
    several: bool
    held_texts: list[str]
    held_labels: list[Labels]
    words: dict[str, str]
    note: str = ""

    @property
    def names(self) -> list[str]:
        """All labels of the train rows, sorted."""
        return sorted({label for row in self.labels for label in row})

    def head(self, rows: int) -> Labelled:
        """The first rows in a random order, for a quick run."""
        order = np.random.default_rng(0).permutation(len(self.texts))[:rows].tolist()
        return replace(
            self,
            texts=[self.texts[i] for i in order],
            labels=[self.labels[i] for i in order],
            held_texts=self.held_texts[:rows],
            held_labels=self.held_labels[:rows],
        )


def from_files(path: Path, text: Sequence[str], label: str, several: bool, test: Path | None = None) -> Labelled:
    """Any file. Several labels where asked for, or where the label column holds lists. Raises SystemExit."""
    texts, labels, lists = _read(path, text, label, several)
    held_texts, held_labels, _ = _read(test, text, label, several or lists) if test else ([], [], False)
    names = {one for row in labels for one in row}
    if len(names) < 2:
        raise SystemExit(f"{path.name}: {len(names)} label in column {label!r}; two or more are needed.")
    words = {name: label_words(name) for name in names}
    return Labelled(path.name, texts, labels, several or lists, held_texts, held_labels, words)


def _read(path: Path, text: Sequence[str], label: str, several: bool) -> tuple[list[str], list[Labels], bool]:
    table = list(harness.rows(path))
    lists = any(isinstance(row.get(label), list) for row in table)
    texts, labels = [], []
    for row in table:
        missing = [name for name in text if name not in row]
        if missing:
            raise SystemExit(f"{path} has no column {missing[0]!r}; it has {', '.join(row)}.")
        value = row.get(label)
        own = _labels(value, several or lists)
        body = "\n".join(str(row[name] or "") for name in text).strip()[:MOST_CHARS]
        if body and (own or several or lists):
            texts.append(body)
            labels.append(own)
    return texts, labels, lists


def _labels(value: Any, several: bool) -> Labels:
    if isinstance(value, list):
        return tuple(dict.fromkeys(str(one) for one in value))
    found = str(value).strip() if value is not None else ""
    if several:
        return tuple(dict.fromkeys(part.strip() for part in found.split(SEPARATOR) if part.strip()))
    return (found,) if found else ()


def _issues(folder: Path) -> Labelled:
    found = from_files(folder / "issues_train.csv.gz", ["title", "body"], "label", several=False)
    return replace(found, name="issues_train")


def _nlupp(folder: Path) -> Labelled:
    parts = [
        from_files(folder / f"nlupp_{one}.jsonl.gz", ["text"], "intents", several=True) for one in ("banking", "hotels")
    ]
    intents = json.loads((folder / "nlupp_ontology.json").read_text("utf-8"))["intents"]
    words = {name: intents.get(name, {}).get("description", label_words(name)) for part in parts for name in part.words}
    texts, labels = [t for p in parts for t in p.texts], [row for p in parts for row in p.labels]
    return Labelled("nlupp_banking+hotels", texts, labels, True, [], [], words)


def _complaints(folder: Path) -> Labelled:
    found = from_files(folder / "complaints_urgency.csv.gz", ["Complaint"], "Urgency", several=False)
    said = "Reads as generated text: it shows nothing about priority in real mail, and nothing is claimed of it."
    return replace(found, name="complaints_urgency", note=said)


def _clinc_domains(folder: Path) -> Labelled:
    domains = json.loads((folder / "clinc150_domains.json").read_text("utf-8"))
    of = {intent: domain for domain, intents in domains.items() for intent in intents}
    train, held = (harness.clinc150(folder.parent, part) for part in ("train", "val"))
    words = {domain: label_words(domain) for domain in domains}
    labels: list[Labels] = [(of[label],) for label in train[1]]
    held_labels: list[Labels] = [(of[label],) for label in held[1]]
    return Labelled("clinc150 domains", train[0], labels, False, held[0], held_labels, words)


SETS: dict[str, Callable[[Path], Labelled]] = {
    "issues": _issues,
    "nlupp": _nlupp,
    "complaints": _complaints,
    "clinc_domains": _clinc_domains,
}


def default_sets(data: Path, only: Sequence[str] = ()) -> list[Labelled]:
    """The sets of the figure, or those named. Raises SystemExit for a name that is none of them."""
    unknown = [name for name in only if name not in SETS]
    if unknown:
        raise SystemExit(f"There is no data set {unknown[0]!r}; there are {', '.join(SETS)}.")
    return [SETS[name](data / "triage") for name in only or SETS]
