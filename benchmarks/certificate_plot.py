"""Draws and prints the result of `certificate_validity`: coverage beside the oracle, and violations beside delta."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROMISE_WORDS = {"selective_error": "wrong among answered", "wrong_local_rate": "answered and wrong, of all"}
COLOURS = {200: "#b9c6d6", 500: "#8aa3bf", 1000: "#3f6f9f", 2000: "#1d3d5c"}
DELTA = 0.05


def lines(result: Mapping[str, Any], n: int = 1000) -> list[str]:
    """A Markdown table of the cells at n labels and 5% chance of error, and the verdict."""
    shown = [
        "| data | rungs | promise | budget | certified | violations | kept | by n-gram | oracle | of oracle "
        "| naive kept | naive violations |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for c in result["cells"]:
        if c["n"] != n or c["delta"] != DELTA:
            continue
        ngram = "" if c["kept_by_ngram"] is None else f"{c['kept_by_ngram']:.2f}"
        ratio = f"{c['kept'] / c['oracle']:.0%}" if c["oracle"] else ""
        shown.append(
            f"| {c['data']} | {c['rungs']} | {PROMISE_WORDS[c['promise']]} | {c['epsilon']:.0%} | {c['certified']:.2f} "
            f"| {c['violations']:.3f} | {c['kept']:.3f} | {ngram} | {c['oracle']:.3f} | {ratio} "
            f"| {c['naive_kept']:.3f} | {c['naive_violations']:.2f} |"
        )
    worst = result["largest_violations_at"]
    shown += [
        "",
        f"{result['cells_tested']} cells of {result['draws']:,} draws: {result['cells_above_delta']} above delta beyond"
        f" Monte Carlo error. Largest share of violations {result['largest_violations']:.4f} ({worst['data']},"
        f" {worst['rungs']} rungs, {PROMISE_WORDS[worst['promise']]}, n = {worst['n']}, {worst['epsilon']:.0%}).",
    ]
    return shown


def save(result: Mapping[str, Any], path: Path) -> None:
    """One panel a data set: share kept by budget and n beside the oracle; and one of all violations beside delta."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "rightsized", "font.size": 9, "svg.fonttype": "none"})
    from matplotlib import pyplot as plt

    names = [p["data"] for p in result["pools"]]
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4), constrained_layout=True)
    for axis, name in zip(axes.flat, names, strict=False):
        _panel(axis, [c for c in result["cells"] if c["data"] == name], name)
    _violations(axes.flat[-1], result["cells"])
    axes.flat[2].legend(fontsize=8, loc="upper left")  # where most traffic fits no label there is room
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _panel(axis: Any, cells: list[dict[str, Any]], name: str) -> None:
    """Both rungs, promise about the answers given: bars by n, the oracle as a line."""
    chosen = [c for c in cells if c["rungs"] == 2 and c["promise"] == "selective_error" and c["delta"] == DELTA]
    budgets = sorted({c["epsilon"] for c in chosen})
    sizes = sorted({c["n"] for c in chosen})
    width = 0.8 / len(sizes)
    for number, n in enumerate(sizes):
        kept = [next(c["kept"] for c in chosen if c["n"] == n and c["epsilon"] == e) for e in budgets]
        at = [i - 0.4 + width * (number + 0.5) for i in range(len(budgets))]
        axis.bar(at, kept, width, color=COLOURS.get(n, "#777777"), label=f"n = {n:,}")
    for i, budget in enumerate(budgets):
        oracle = next(c["oracle"] for c in chosen if c["epsilon"] == budget)
        axis.hlines(oracle, i - 0.42, i + 0.42, color="#c0392b", lw=1.5, label="oracle" if not i else None)
    axis.set(title=name, ylim=(0, 1.02), ylabel="share answered here", xlabel="error budget")
    axis.set_xticks(range(len(budgets)), [f"{e:.0%}" for e in budgets])


def _violations(axis: Any, cells: list[dict[str, Any]]) -> None:
    """Every cell: share of draws that break the promise, the certificate's and the naive threshold's."""
    chosen = [c for c in cells if c["delta"] == DELTA]
    for offset, key, colour, label in (
        (0, "violations", "#3f6f9f", "certificate"),
        (1, "naive_violations", "#c0392b", "naive threshold"),
    ):
        values = sorted(c[key] for c in chosen)
        axis.plot(
            values, [(i + 1) / len(values) for i in range(len(values))], color=colour, label=label, lw=1.5 + offset / 2
        )
    axis.axvline(DELTA, color="#555555", lw=1, ls="--", label="allowed: 5%")
    axis.set(
        title="broken promises, all cells", xlabel="share of draws that break the promise", ylabel="share of cells"
    )
    axis.legend(fontsize=7, loc="lower right")
