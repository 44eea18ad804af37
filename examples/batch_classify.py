"""Answer every row of a CSV file with a fitted task; rows for a person go to a file of their own.

python examples/batch_classify.py support messages.csv answered.csv for_a_person.csv
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import rightsized as rs

BLOCK = 256  # rows handed in together


def classify(task_name: str, source: Path, answered: Path, person: Path) -> tuple[int, int]:
    """Split `source` (column `text`) into two files. Returns how many rows went to each."""
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    done: list[dict[str, object]] = []
    left: list[dict[str, object]] = []
    with rs.load(task_name) as task:
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            for row, reply in zip(block, task.answer_many([row["text"] for row in block]), strict=True):
                if reply.label:
                    done.append({**row, "label": reply.label, "confidence": f"{reply.confidence:.3f}"})
                else:
                    suggestion = reply.suggestion.label if reply.suggestion else ""
                    left.append({**row, "suggestion": suggestion})
    _write(answered, done)
    _write(person, left)
    return len(done), len(left)


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["text"])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    name, *files = sys.argv[1:]
    counts = classify(name, *map(Path, files))
    print(f"{counts[0]} answered, {counts[1]} for a person")
