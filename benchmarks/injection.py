"""How many injected instructions does the score find, and how often does it suspect the innocent?

Reads a folder in the shape of privacy/injection: NotInject files (lists of objects with `prompt`, all benign), BIPIA
files (`*attack*.json`: category -> attacks), labelled prompts (`valid.json`: `prompt`, `label`, `source`), and benign
documents (`*.jsonl` with `context`). No attack here was learned from. NotInject's first file chose the threshold; its
other files and everything else did not. Each attack is also put into the middle of a document: then the question is
whether it is found among innocent sentences.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness import Clock, Options, finish, options
from rightsized import data
from rightsized.engines.injection import InjectionModel
from rightsized.tune.injection import HELD_OUT_DOCUMENTS

TASKS = {"Information Retrieval", "Content Creation", "Learning and Tutoring", "Language Translation",
         "Programming Help"}  # fmt: skip
Found = dict[str, Any]


def folder_of(path: Path) -> Path:
    """The folder of the files: PATH itself, or privacy/injection or injection in it."""
    inner = (path / "privacy" / "injection", path / "injection")
    return next((folder for folder in inner if folder.is_dir()), path)


def share(scores: Iterable[float], threshold: float) -> Found:
    """How many scores reach the threshold."""
    values = list(scores)
    reached = sum(value >= threshold for value in values)
    return {"n": len(values), "reached": reached, "share": reached / len(values) if values else None}


def joined(parts: Iterable[Mapping[str, Any]]) -> Found:
    """Several shares as one."""
    n, reached = 0, 0
    for part in parts:
        n, reached = n + part["n"], reached + part["reached"]
    return {"n": n, "reached": reached, "share": reached / n if n else None}


def notinject(folder: Path, model: InjectionModel, labelled: list[dict[str, Any]]) -> dict[str, Found]:
    """False alarms on each NotInject file, and on those that only the labelled prompts have rows of."""
    found = {}
    for file in sorted(folder.glob("NotInject*.json")):
        rows = json.loads(file.read_text("utf-8"))
        found[file.stem] = share((model.score(str(row["prompt"])) for row in rows), model.card.threshold)
    for source in sorted({str(row["source"]) for row in labelled if str(row["source"]).startswith("NotInject")}):
        if source not in found:
            prompts = [str(row["prompt"]) for row in labelled if row["source"] == source]
            found[source] = share(map(model.score, prompts), model.card.threshold)
    return found


def attacks(folder: Path, model: InjectionModel, documents: list[str]) -> dict[str, dict[str, Found]]:
    """Attacks found, by category, alone and in the middle of documents."""
    alone: dict[str, Found] = {}
    hidden: dict[str, Found] = {}
    for file in sorted(folder.glob("*attack*.json")):
        for category, texts in json.loads(file.read_text("utf-8")).items():
            alone[category] = share(map(model.score, texts), model.card.threshold)
            inside = [within(documents[k % len(documents)], text) for k, text in enumerate(texts) if documents]
            hidden[category] = share(map(model.score, inside), model.card.threshold)
    return {"alone": alone, "in_documents": hidden}


def within(document: str, attack: str) -> str:
    """The attack between two sentences of a document."""
    sentences = document.split(". ")
    middle = len(sentences) // 2
    return ". ".join([*sentences[:middle], attack, *sentences[middle:]])


def measure(given: Options) -> Found:
    folder = folder_of(given.data)
    model = InjectionModel.open(data.folder("injection"))
    labelled = json.loads(file.read_text("utf-8")) if (file := folder / "valid.json").exists() else []
    labelled = [{"source": "labelled prompts", **row} for row in labelled]
    documents = [
        str(row["context"]) for file in sorted(folder.glob("*.jsonl")) for row in _lines(file) if "context" in row
    ]
    unseen = documents[-HELD_OUT_DOCUMENTS:]
    innocent = notinject(folder, model, labelled)
    hostile = attacks(folder, model, unseen)
    instructions = {name: one for name, one in hostile["alone"].items() if name not in TASKS}
    hidden = {name: one for name, one in hostile["in_documents"].items() if name not in TASKS}
    by_source = {
        source: share((model.score(str(r["prompt"])) for r in labelled if r["source"] == source), model.card.threshold)
        for source in sorted({str(row["source"]) for row in labelled})
    }
    is_attack = {str(row["source"]): bool(row["label"]) for row in labelled}
    with Clock() as clock:
        for document in documents:
            model.score(document)
    return {
        "threshold": model.card.threshold,
        "digest": model.card.digest,
        "false_positive_rate": {
            "notinject": joined(innocent.values()),
            "notinject_not_used_for_the_threshold": joined(v for k, v in innocent.items() if k != "NotInject_one"),
            "other_benign_prompts": joined(
                v for k, v in by_source.items() if not is_attack[k] and not k.startswith("NotInject")
            ),
            "documents_not_learned_from": share(map(model.score, unseen), model.card.threshold),
            "by_file": innocent,
        },
        "recall": {
            "labelled_attacks": joined(v for k, v in by_source.items() if is_attack[k]),
            "bipia_about_the_answer": joined(instructions.values()),
            "bipia_about_the_answer_in_documents": joined(hidden.values()),
            "bipia_plain_tasks": joined(v for k, v in hostile["alone"].items() if k in TASKS),
            "by_category": hostile,
        },
        "by_source": by_source,
        "document_ms": clock.cpu * 1e3 / max(1, len(documents)),
        "document_chars": sum(map(len, documents)) / max(1, len(documents)),
    }


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]


def main() -> int:
    given = options("injection", __doc__ or "")
    result = measure(given)
    errs, finds = result["false_positive_rate"], result["recall"]

    def said(one: Mapping[str, Any]) -> str:
        return f"{one['reached']} of {one['n']}" + (f" ({one['share']:.1%})" if one["n"] else "")

    lines = [
        f"suspected among NotInject: {said(errs['notinject'])}; "
        f"without the file that chose the threshold: {said(errs['notinject_not_used_for_the_threshold'])}",
        f"suspected among other benign prompts: {said(errs['other_benign_prompts'])}, "
        f"among documents: {said(errs['documents_not_learned_from'])}",
        f"found of labelled attacks: {said(finds['labelled_attacks'])}",
        f"found of BIPIA's attacks on the answer: {said(finds['bipia_about_the_answer'])}; "
        f"in documents: {said(finds['bipia_about_the_answer_in_documents'])}",
        f"found of BIPIA's plain tasks: {said(finds['bipia_plain_tasks'])}",
        f"{result['document_ms']:.2f} ms a document of {result['document_chars']:.0f} characters",
    ]
    return finish(given, result, lines)


if __name__ == "__main__":
    raise SystemExit(main())
