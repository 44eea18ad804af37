"""Reads the shipped sample files as plain rows, for the tests beside it."""

from __future__ import annotations

import csv

from rightsized.data import path

SUPPORT = ("support_train.csv", "support_calibrate.csv", "support_stream.csv")
FILES = (*SUPPORT, "tone.csv")


def rows(name: str) -> list[dict[str, str]]:
    with path(name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, strict=True))


def texts(name: str) -> list[str]:
    return [row["text"] for row in rows(name)]
