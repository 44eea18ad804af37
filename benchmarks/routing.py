"""Figure 2: how well does the learned router choose between a weak and a strong model, and does its certificate hold?

    python -m benchmarks.routing --data FILE.csv[.gz] --prompt COL --weak COL --strong COL
        [--weak-answer COL] [--domain COL] --json
    python -m benchmarks.routing [--data FOLDER] --json

The first form replays one table and prints `apgr, cpt50, cpt80, aurc`, the baselines and the certificate. The second
runs over the tables of the data folder, and over nine models at once. Every row is scored by models fitted on the other
four fifths. With answers given, the weak model is asked first and its answer is judged: its calls are then always paid
for, and the share of strong calls counts the escalations.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np

from benchmarks import harness, models, routing_certificate, routing_metrics, routing_models
from benchmarks.routing_certificate import LOSSES, Asked
from benchmarks.routing_data import Columns, Floats, Table, read, turns
from benchmarks.routing_replay import Replay, replay
from rightsized.core.errors import InputError, RightsizedError
from rightsized.core.types import Loss, Promise
from rightsized.engines.onnx import OnnxEncoder
from rightsized.tune.verifier import make_folds

# RouteLLM (Ong et al. 2024), its best router on each set: figures of the paper, on the same two models.
PUBLISHED = {
    "mtbench": {"apgr": 0.802, "cpt50": 0.134},
    "mmlu": {"apgr": 0.603, "cpt50": 0.354},
    "gsm8k": {"apgr": 0.622, "cpt50": 0.336},
}
PROMISES: tuple[Promise, ...] = ("selective_error", "wrong_local_rate")
HEADLINE_N, DRAWS, QUICK_DRAWS, QUICK_RESAMPLES = 1000, 5000, 500, 100
NINE_WEAK, NINE_STRONG = "mistral-7b-instruct-v0.3", "llama-3.1-nemotron-51b-instruct"
MTBENCH = "routellm_mtbench_scores.csv.gz"


def configure(parser: argparse.ArgumentParser) -> None:
    """Options for one table."""
    for name, text in (
        ("prompt", "column of the prompt"),
        ("weak", "column of the weak model's score: 0/1, true/false or numbers"),
        ("strong", "column of the strong model's score"),
        ("weak-answer", "column of the weak model's answer, where it may be read"),
        ("domain", "column of a declared domain: a baseline, and a hint while training"),
    ):
        parser.add_argument(f"--{name}", help=text)
    parser.add_argument("--promise", choices=PROMISES, default="wrong_local_rate", help="promise of the headline")
    parser.add_argument("--loss", choices=LOSSES, default="regret", help="what counts as an error in the headline")
    parser.add_argument("--right-at", type=float, help="least raw score that counts as right (default: the highest)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the folds")


def measure(table: Table, encoder: OnnxEncoder, given: harness.Options) -> dict[str, Any]:
    """All figures of one table."""
    resamples = QUICK_RESAMPLES if given.quick else routing_metrics.RESAMPLES
    found = replay(table, models.vectors(encoder, table.prompts), encoder, given.extra.seed)
    routers = {"prompt": found.better - found.own}
    if any(table.answers):
        routers["answer"] = found.better - found.after
    best = list(routers)[-1]
    figures = {
        name: routing_metrics.router_figures(score, table.weak, table.strong, resamples)
        for name, score in routers.items()
    }
    return {
        "data": table.name,
        "rows": len(table.prompts),
        "router": best,
        **figures[best],
        "aurc": routing_metrics.aurc_figure(found.after, table.weak, resamples),
        "auroc": routing_metrics.auroc(found.after, table.weak),
        "auroc_prompt": routing_metrics.auroc(found.own, table.weak),
        "routers": figures,
        "baselines": baselines(table, found, given.extra.seed),
        **certificates(table, found, given),
    }


def baselines(table: Table, found: Replay, seed: int) -> dict[str, Any]:
    """What the router must be compared with."""
    weak, strong = table.weak, table.strong
    ranked: dict[str, Floats] = {"difficulty": -found.own, "oracle": strong - weak}
    if any(table.domains):
        ranked["domain_mean"] = _domain_mean(table, seed)
    rows: dict[str, Any] = {
        "random": {"apgr": 0.5, "cpt50": 0.5, "cpt80": 0.8, "aurc": float(1 - weak.mean())},
        "always_weak": {"quality": _raw(table, weak), "strong_calls": 0.0},
        "always_strong": {"quality": _raw(table, strong), "strong_calls": 1.0},
    }
    for name, score in ranked.items():
        rows[name] = {
            "apgr": routing_metrics.apgr(score, weak, strong),
            "cpt50": routing_metrics.cpt(score, weak, strong, 0.5),
            "cpt80": routing_metrics.cpt(score, weak, strong, 0.8),
        }
    rows["oracle"]["aurc"] = routing_metrics.aurc(weak, weak)
    published = next((figures for name, figures in PUBLISHED.items() if name in table.name.lower()), None)
    return rows | ({"routellm_published": published} if published and _theirs(table) else {})


def _theirs(table: Table) -> bool:
    return "routellm" in table.name.lower()


def _raw(table: Table, scores: Floats) -> float:
    return float(table.low + (table.high - table.low) * scores.mean())


def _domain_mean(table: Table, seed: int) -> Floats:
    """The mean gain of each row's declared domain over the other four fifths."""
    gain, domains = table.strong - table.weak, np.array(table.domains)
    folds, score = make_folds(len(gain), seed, table.groups), np.zeros(len(gain))
    for fold in np.unique(folds):
        held = folds == fold
        for domain in np.unique(domains[held]):
            same = (domains == domain) & ~held
            score[held & (domains == domain)] = gain[same].mean() if same.any() else gain[~held].mean()
    return score


def certificates(table: Table, found: Replay, given: harness.Options) -> dict[str, Any]:
    """`certificate: {epsilon: {violation_rate, coverage, ...}}` for the headline, and all other cells beside it."""
    extra, draws = given.extra, QUICK_DRAWS if given.quick else DRAWS
    raw = table.high if extra.right_at is None else extra.right_at
    right_at = (raw - table.low) / (table.high - table.low)
    known = table.binary or extra.right_at is not None or extra.loss == "error"
    losses: tuple[Loss, ...] = LOSSES if known else ("regret",)
    every = []
    for promise in PROMISES:
        for loss in losses:
            harness.note(f"{table.name}: {promise}, {loss}")
            asked = Asked(promise, loss, (HEADLINE_N,), draws, right_at)
            every += routing_certificate.cells(table, found, asked)
    chosen = [cell for cell in every if (cell["promise"], cell["loss"]) == (extra.promise, extra.loss)]
    return {
        "certificate": routing_certificate.headline(chosen, HEADLINE_N),
        "certificate_verdict": routing_certificate.verdict(every),
        "certificate_cells": every,
    }


def one_table(given: harness.Options) -> dict[str, Any]:
    """The first form. Raises InputError where a column is not named."""
    extra = given.extra
    missing = [f"--{name}" for name in ("prompt", "weak", "strong") if not getattr(extra, name)]
    if missing:
        raise InputError(
            f"{given.data.name} is one table, and {', '.join(missing)} is not given.",
            fix="Name its columns: --prompt COL --weak COL --strong COL",
        )
    table = read(given.data, Columns(extra.prompt, extra.weak, extra.strong, extra.weak_answer, extra.domain))
    encoder = models.encoder(sessions=0)
    try:
        return measure(table, encoder, given)
    finally:
        encoder.close()


def every_table(given: harness.Options) -> dict[str, Any]:
    """The second form."""
    folder = given.data / "routing" if (given.data / "routing").is_dir() else given.data
    gsm = Columns("prompt", "mixtral_8x7b_correct", "gpt4_1106_correct", "mixtral_8x7b_response")
    nine = Columns("prompt", NINE_WEAK, NINE_STRONG, None, "task")
    wanted = {"gsm8k": read(folder / "routellm_gsm8k.csv.gz", gsm), "mtbench": turns(folder / MTBENCH)}
    if not given.quick:
        wanted["nine_pair"] = read(folder / routing_models.FILE, nine)
    encoder = models.encoder(sessions=0)
    try:
        chosen = routing_models.run(folder, encoder)
        return {
            "tables": {name: measure(table, encoder, given) for name, table in wanted.items()},
            "nine_models": chosen,
        }
    finally:
        encoder.close()


def lines(result: dict[str, Any]) -> list[str]:
    """For a person: one line a table."""
    said = []
    for name, found in result.get("tables", {result.get("data", ""): result}).items():
        figures = ", ".join(
            f"{key} {found[key].value:.3f} ({found[key].low:.3f} to {found[key].high:.3f})"
            for key in ("apgr", "cpt50", "cpt80", "aurc")
        )
        said.append(f"{name}, router on the {found['router']}: {figures}")
        for epsilon, cell in found["certificate"].items():
            said.append(
                f"  epsilon {epsilon}: violations {cell['violation_rate']:.4f}, kept {cell['coverage']:.3f}"
                f" of the oracle's {cell['oracle_coverage']:.3f}; naive {cell['naive_violation_rate']:.3f}"
            )
    return said


def main() -> int:
    """Run, save, print. An error of the data is a sentence and status 2."""
    given = harness.options("routing", __doc__ or "", configure)
    single = given.data.is_file() or bool(given.extra.prompt)
    try:
        result = one_table(given) if single else every_table(given)
    except RightsizedError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    plain = _plain(result)
    if not single:
        return harness.finish(given, plain, lines(result))
    if given.out:
        harness.save(given.name, plain, given)
    print(json.dumps(harness.plain(plain), ensure_ascii=False) if given.json else "\n".join(lines(result)))
    return 0


def _plain(value: Any) -> Any:
    """Records become mappings; `harness.plain` does the rest."""
    import msgspec

    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.structs.asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    raise SystemExit(main())
