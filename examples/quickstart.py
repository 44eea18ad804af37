"""Fit a task on the sample data, read what is promised, and ask it.

python examples/quickstart.py
"""

from __future__ import annotations

import csv

import rightsized as rs
from rightsized.data import path


def read(name: str) -> tuple[list[str], list[str]]:
    """Texts and labels of a sample file."""
    with path(name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["department"] for row in rows]


def main() -> None:
    texts, labels = read("support_train.csv")
    calibrate = read("support_calibrate.csv")
    with rs.fit(texts, labels, task="support", max_error=0.05, calibrate=calibrate) as task:
        print(task.certificate.sentence)
        print(f"Report: {task.report.report}\n")
        for text in (
            "My parcel says delivered but it is not here.",
            "I'd like to speak to your manager about a partnership.",
        ):
            reply = task.answer(text)
            if reply.label:
                print(f"{text}\n  {reply.label}, {reply.confidence:.0%} sure, by {reply.rung}")
            else:
                best = reply.suggestion.label if reply.suggestion else "nothing"
                print(f"{text}\n  for a person; the model would have said {best}")


if __name__ == "__main__":
    main()
