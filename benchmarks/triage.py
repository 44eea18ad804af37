"""Figure 1 of triage: how well labels are given, and how much is answered without a person at 1, 2 and 5% error.

    python -m benchmarks.triage --json                      # the data sets of the figure
    python -m benchmarks.triage --data FILE --text COL --label COL [--test FILE] --json

Works on any CSV or JSONL file, also .gz; a text may have several labels (lists in JSONL, or a|b with --multi-label).
With --test the models learn on one file and are judged on the other; without, rows are cross-validated in five folds,
near-repeats of a text in one of them.
Beside the encoder rung stand TF-IDF with a linear SVM, SetFit with the same MiniLM in an environment of its own (one
fold only, for its CPU time; the others' figures on that fold are given too), and the labels' names alone.
The automation rate is the share answered by thresholds that `calibrate` certifies on draws from rows that trained
nothing; a draw whose true risk on all those rows exceeds the budget is a violation.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import harness, models
from benchmarks.accuracy import SETFIT_STEPS
from benchmarks.harness import note
from benchmarks.triage_automation import automation
from benchmarks.triage_data import Labelled, default_sets, from_files
from benchmarks.triage_methods import OURS, Fold, folds_of, predictions, setfit
from benchmarks.triage_scores import Answers, difference, figures

QUICK_ROWS = 400
Row = dict[str, Any]


def run(data: Labelled, setfit_steps: int, draws: int) -> dict[str, Any]:
    """All figures of one data set. `setfit_steps`: 0 leaves SetFit out."""
    encoder = models.encoder(sessions=1)
    try:
        folds = folds_of(data)
        answered = predictions(data, folds, encoder)
        ours = answered[OURS]
        rows = [_row(name, found, ours) for name, found in answered.items()]
        first = _first_fold(data, folds[0], ours, setfit_steps)
        automated = automation(data, encoder, draws)
    finally:
        encoder.close()
    return {
        "rows": len(data.texts),
        "test_rows": len(data.held_texts),
        "labels": len(data.names),
        "several_labels": data.several,
        "protocol": "train and test file" if data.held_texts else f"{len(folds)} folds",
        "methods": rows,
        "first_fold": first,
        "automation": automated,
        "note": data.note,
    }


def _row(name: str, found: Answers, ours: Answers) -> Row:
    less = None if found is ours else difference(ours, found)
    return {"method": name, **figures(found), "ours_minus_this": less}


def _first_fold(data: Labelled, fold: Fold, ours: Answers, steps: int) -> list[Row]:
    """SetFit and ours on the rows of one fold."""
    method = f"SetFit, {steps} steps"
    if not steps:
        return [{"method": "SetFit", "unavailable": "not asked for"}]
    note(f"{data.name}: SetFit, {len(fold.texts)} rows")
    found = setfit(data, fold, steps)
    if isinstance(found, dict):
        return [{"method": method, **found}]
    kept = ours.take(fold.held)
    return [_row(method, found.answers, kept) | found.facts, _row(OURS, kept, kept)]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--text", default="text", help="column with the text; several, joined by a comma, are put one below the other"
    )
    parser.add_argument("--label", default="label", help="column with the label")
    parser.add_argument("--multi-label", action="store_true", help="a text may have several labels: a|b")
    parser.add_argument("--test", type=Path, default=None, help="rows to be judged on")
    parser.add_argument("--no-setfit", action="store_true", help="leave SetFit out")
    parser.add_argument("--setfit-steps", type=int, default=SETFIT_STEPS, help="batches that SetFit learns from")
    parser.add_argument("--only", default="", help="of the figure's data sets, these (names joined by a comma)")
    parser.add_argument("--draws", type=int, default=2000, help="calibration draws a cell")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run on one file, or on the data sets of the figure."""
    given = harness.options("triage", __doc__ or "", _configure, arguments)
    extra = given.extra
    if given.data.is_file():
        sets = [from_files(given.data, extra.text.split(","), extra.label, extra.multi_label, extra.test)]
    else:
        sets = default_sets(given.data, [name for name in extra.only.split(",") if name])
    if given.quick:
        sets = [one.head(QUICK_ROWS) for one in sets]
    steps = 0 if extra.no_setfit or given.quick else extra.setfit_steps
    result: dict[str, Any] = {}
    for one in sets:
        note(f"{one.name}: {len(one.texts)} rows, {len(one.names)} labels")
        result[one.name] = run(one, steps, 200 if given.quick else extra.draws)
        harness.save(given.name, result, given)  # a long run that is cut off keeps what it has
    return harness.finish(given, result, _lines(result))


def _lines(result: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for name, found in result.items():
        lines.append(f"{name}: {found['rows']} rows, {found['labels']} labels, {found['protocol']}")
        lines += _table(found)
        for cell in found["automation"]["cells"]:
            lines.append(
                f"  answered here at {cell['epsilon']:.0%} error, {cell['n']} labels: {cell['kept']:.3f} "
                f"(best possible {cell['oracle']:.3f}); violations {cell['violations']:.4f} of draws"
            )
    return lines


def _table(found: dict[str, Any]) -> list[str]:
    alone = [{**row, "method": f"one fold: {row['method']}"} for row in found["first_fold"]]
    return [_line(row) for row in (*found["methods"], *alone)]


def _line(row: Row) -> str:
    if "accuracy" not in row:
        return f"  {row['method']:44s} not run: {row.get('unavailable', '')}"
    parts = []
    for name in ("accuracy", "macro_f1"):
        part = row[name]
        parts.append(f"{name} {part['value']:.3f} ({part['low']:.3f}-{part['high']:.3f})")
    return f"  {row['method']:44s} {'   '.join(parts)}"


if __name__ == "__main__":
    raise SystemExit(main())
