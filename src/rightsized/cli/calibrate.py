"""`rightsized calibrate`: certificates for ladders of models that write."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rightsized.cli.collect import CollectOptions, collect
from rightsized.cli.commands import Common, Result, add
from rightsized.cli.progress import progress_bars
from rightsized.cli.tables import aligned, percent
from rightsized.cli.try_tests import TryOptions, try_tests
from rightsized.core.errors import InputError, RightsizedError
from rightsized.core.generation import DATA_CLASSES
from rightsized.core.types import Certificate

if TYPE_CHECKING:
    from rightsized.store.home import Home
    from rightsized.tasks.chat_records import ChatReport

app = typer.Typer(
    name="calibrate",
    help="Certify models that write: collect, chat, versions, rollback.",
    no_args_is_help=True,
)
Promise = StrEnum("Promise", ["selective_error", "wrong_local_rate"])
Loss = StrEnum("Loss", ["error", "regret"])


@dataclass(frozen=True, kw_only=True)
class ChatOptions(Common):
    data: Annotated[Path, typer.Option(help="Labelled exchanges, JSONL: prompt, answers and correct of each tier.")]
    name: Annotated[str, typer.Option(help="Name of the cascade; the setting gateway.cascade uses it.")] = "chat"
    max_error: Annotated[float, typer.Option(help="Error budget, such as 0.05.")] = 0.05
    confidence: Annotated[float, typer.Option(help="Confidence level of the certificate.")] = 0.95
    promise: Annotated[Promise, typer.Option(help="What the error budget bounds.")] = Promise.selective_error
    loss: Annotated[
        Loss, typer.Option(help="error; or regret: wrong counts only where the last tier would have been right.")
    ] = Loss.error
    tiers: Annotated[
        str, typer.Option(help="Names in order of cost, with commas. Default: the order of the first row's answers.")
    ] = ""
    person: Annotated[bool, typer.Option("--person", help="A person stands last; all tiers are checked.")] = False
    costs: Annotated[str, typer.Option(help="US dollars a call of each tier, with commas; a person's last.")] = ""
    calibrate: Annotated[
        Path | None, typer.Option(help="Rows to calibrate on: a random sample of real traffic, not used to train.")
    ] = None
    sampling: Annotated[str, typer.Option(help="How those rows were sampled, in words, for the certificate.")] = ""
    label_kind: Annotated[
        str, typer.Option(help="Whose labels: human, exact, tests or judge:NAME. Default: as the rows say.")
    ] = ""
    judge_check: Annotated[
        Path | None, typer.Option(help="With a judge: a random sample that people labelled too (correct, and judge).")
    ] = None
    judge_share: Annotated[
        float, typer.Option(help="Part of the error budget left to wrong answers that the judge let pass.")
    ] = 0.5
    data_class: Annotated[
        str,
        typer.Option(help=f"What rows hold that do not say it: {', '.join(DATA_CLASSES)}. Default: by the settings."),
    ] = ""
    encoder: Annotated[str, typer.Option(help="Encoder that reads prompts.")] = "minilm"
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the result in force even where a certified one is and it is not.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Named(Common):
    name: Annotated[str, typer.Argument(help="Name of the cascade.")] = "chat"


def chat(options: ChatOptions) -> Result:
    """Learn when an answer can be trusted, choose thresholds, and sign what they promise.

    Each line of the file: {"prompt": ..., "answers": {"small": ..., "large": ...}, "correct": {"small": true, ...}}, or
    "expected": the right answer, instead of correct. The result comes into force, unless it is not certified
    and takes the place of one that is.
    """
    import msgspec

    from rightsized.jobs.local import run_in_child
    from rightsized.store.home import Home
    from rightsized.tasks.chat_cascade import gateways
    from rightsized.tasks.chat_identity import sample_plans, serving_tiers
    from rightsized.tasks.chat_records import ChatReport

    _check(options)
    config = options.settings()
    before = _certified(Home(config.home), options.name)
    serving = serving_tiers(config, only=_names(options.tiers))
    with progress_bars(options.json) as progress:
        report = run_in_child(
            Home(config.home),
            "calibrate",
            entry="rightsized.tasks.chat_calibration:calibrate_job",
            arguments=_arguments(options, config.home, serving)
            | {"samples": msgspec.to_builtins(sample_plans(config)), "settings": msgspec.to_builtins(config)},
            result_type=ChatReport,
            progress=progress,
        )
    kept = before if before and not options.replace and _worse(report, {tier.name for tier in config.tiers}) else ""
    if kept:
        gateways(Home(config.home)).promote(options.name, kept, "stays: what was calibrated after it is not certified")
    text = _text(report) + (_STAYS.format(kept=kept) if kept else "")
    return Result({**msgspec.to_builtins(report), "in_force": kept or report.version}, text)


_STAYS = "\n\nThe certified version {kept} stays in force. To use this one all the same, add --replace."


def _certified(home: Home, name: str) -> str:
    """The version of a cascade in force where it is certified; empty where none is."""
    from rightsized.tasks.chat_cascade import gateways

    store = gateways(home)
    try:
        version = store.current(name)
        return version if store.read(name, "certificate.json", Certificate, version).state == "certified" else ""
    except RightsizedError:  # none yet, or one that cannot be used
        return ""


def _worse(report: ChatReport, tiers: set[str]) -> bool:
    """Whether nothing certified would follow: no certificate, or one about tiers that the settings do not name."""
    from rightsized.cascade.attempt import PERSON

    return report.state != "certified" or bool(tiers and set(report.certificate.rungs) - tiers - {PERSON})


def versions(options: Named) -> Result:
    """List the versions of a calibrated cascade; the one in force is marked."""
    from rightsized.store.home import Home
    from rightsized.tasks.chat_cascade import gateways

    store = gateways(Home(options.settings().home))
    current, kept = store.current(options.name), store.versions(options.name)
    rows = [
        [
            "*" if version == current else "",
            version,
            store.read(options.name, "certificate.json", Certificate, version).state,
        ]
        for version in kept
    ]
    data = [{"version": version, "state": state, "in_force": bool(mark)} for mark, version, state in rows]
    return Result(data, aligned(["", "version", "state"], rows))


def rollback(options: Named) -> Result:
    """Put the version before the one in force back; a running server takes it up within seconds."""
    from rightsized.store.home import Home
    from rightsized.tasks.chat_cascade import gateways

    version = gateways(Home(options.settings().home)).rollback(options.name)
    return Result({"name": options.name, "version": version}, f"{options.name} is back at {version}.")


def _check(options: ChatOptions) -> None:
    for name, value in (("--max-error", options.max_error), ("--confidence", options.confidence)):
        if not 0 < value < 1:
            raise InputError(f"{name} {value:g} must lie between 0 and 1, such as 0.05 for 5%.")
    if options.data_class and options.data_class not in DATA_CLASSES:
        raise InputError(f"--data-class {options.data_class!r} is not known.", fix=f"Known: {', '.join(DATA_CLASSES)}.")


def _arguments(options: ChatOptions, home: str, serving: dict[str, str]) -> dict[str, Any]:
    return {
        "home": home,
        "name": options.name,
        "data": str(options.data),
        "calibrate": str(options.calibrate) if options.calibrate else None,
        "targets": {
            "max_error": options.max_error,
            "confidence": options.confidence,
            "promise": options.promise.value,
        },
        "tiers": _names(options.tiers),
        "person": options.person,
        "loss": options.loss.value,
        "label_kind": options.label_kind,
        "sampling": options.sampling,
        "encoder": options.encoder,
        "judge_check": str(options.judge_check) if options.judge_check else None,
        "judge_share": options.judge_share,
        "costs": _costs(options.costs),
        "serving": serving,
        "seed": options.seed,
        "data_class": options.data_class or None,
    }


def _names(written: str) -> list[str]:
    return [name.strip() for name in written.split(",") if name.strip()]


def _costs(written: str) -> list[float]:
    try:
        costs = [float(part) for part in written.split(",") if part.strip()]
    except ValueError:
        raise InputError(f"--costs {written!r} is not a list of numbers.", fix="Such as --costs 0.0001,0.01") from None
    if any(not cost >= 0 for cost in costs):
        raise InputError(f"--costs {written!r} holds a number below 0.")
    return costs


def _text(report: ChatReport) -> str:
    from rightsized.cascade.attempt import told

    rows = [
        [
            figures.name,
            f"{100 * figures.accuracy:.1f}%",
            "-" if figures.auroc_prompt is None else f"{figures.auroc_prompt:.3f}",
            "-" if figures.auroc is None else f"{figures.auroc:.3f}",
            "never" if figures.threshold is None else told(figures.threshold),
            "always" if figures.skip is None else f"from {figures.skip:.3f}",
        ]
        for figures in report.tiers
    ]
    header = ["tier", "right", "told by the prompt", "by the answer", "accepted from", "asked"]
    certificate = report.certificate
    facts = [
        ["state", report.state],
        ["rows", f"{report.n_train:,} train, {report.n_calibrate:,} calibrate"],
        ["answered here", percent(certificate.local_share)],
        ["installed in", report.folder],
    ]
    findings = "".join(f"\nnote: {finding.message}" for finding in report.findings)
    tables = f"{aligned(header, rows)}\n\n{aligned(['', ''], facts).strip()}"
    return f"{certificate.sentence}\n\n{tables}{findings}"


add(app, "chat", ChatOptions, chat)
add(app, "try-tests", TryOptions, try_tests)
add(app, "collect", CollectOptions, collect)
add(app, "versions", Named, versions)
add(app, "rollback", Named, rollback)
