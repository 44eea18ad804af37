"""`rightsized certificate`: show and check the certificate of a task, or of a calibrated cascade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned, percent
from rightsized.core.types import Certificate, Segment

app = typer.Typer(
    name="certificate",
    help="Certificates of tasks and cascades: show, verify.",
    no_args_is_help=True,
)


@dataclass(frozen=True, kw_only=True)
class Named(Common):
    task: Annotated[str, typer.Argument(help="Name of the task or cascade.")]


def show(options: Named) -> Result:
    """Show what is promised, and on what evidence."""
    from rightsized.store.home import Home
    from rightsized.tasks.chat_checks import cascade_certificate, is_cascade
    from rightsized.tasks.standing import known_state
    from rightsized.tasks.versions import TaskStore

    home = Home(options.settings().home)
    if is_cascade(home, options.task):
        certificate, _, why = cascade_certificate(home, options.task)
    else:
        store = TaskStore(home)
        certificate = store.read(options.task, "certificate.json", Certificate)
        _, why = known_state(home, certificate, store.current(options.task))
    warning = f"NOT IN FORCE: {why}. What follows is promised no more.\n\n" if why else ""
    return Result(certificate, f"{warning}{certificate.sentence}\n\n{_facts(certificate)}")


def verify(options: Named) -> Result:
    """Check signature, digests, expiry and the scores of the reference texts on this machine."""
    import asyncio

    from rightsized.store.home import Home
    from rightsized.tasks.chat_checks import is_cascade, verify_cascade
    from rightsized.tasks.standing import verify_task

    config = options.settings()
    cascade = is_cascade(Home(config.home), options.task)
    standing = verify_cascade(config, options.task) if cascade else asyncio.run(verify_task(config, options.task))
    lines = [f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}" for check in standing.checks]
    if not standing.ok:
        again = f"nothing is answered here. Fit the task again: rightsized fit FILE --task {options.task}"
        if cascade:
            again = "auto is answered without a promise. Calibrate again: rightsized calibrate chat --data FILE"
            again += f" --name {options.task}"
        lines.append(f"Not in force: {again}")
    return Result(standing, "\n".join(lines), status=0 if standing.ok else 1)


def _facts(c: Certificate) -> str:
    rows = [
        ["id", c.id],
        ["state", c.state],
        ["promise", f"{c.promise} at most {c.epsilon:.2%}, confidence {1 - c.delta:.1%}"],
        ["attempt", f"{c.attempt} (tested at delta = {c.delta_spent:.4f})"],
        ["method", c.method],
        ["rows", f"{c.n:,} {c.unit}, {c.m:,} answered here, {c.errors} of them not as labelled"],
        ["labels by", c.label_kind],
        ["sampling", c.sampling],
        ["answered here", percent(c.local_share)],
        [
            "thresholds",
            ", ".join(
                f"{r}: {'never' if t is None else f'{t:.4f}'}" for r, t in zip(c.rungs, c.thresholds, strict=False)
            ),
        ],
        *([f"part {s.name}", _part(s)] for s in c.segments),
    ]
    if c.segments:
        rows.append(["parts by", f"{c.segment_by}; delta for all messages: {_left(c):.4f}"])
    return aligned(["", ""], rows).strip()


def _part(segment: Segment) -> str:
    said = "certified" if segment.certified else "not certified"
    counts = f"{segment.n:,} tested, {segment.m:,} answered here, {segment.errors} of them not as labelled"
    return f"{said}: {counts} (tested at delta = {segment.delta:.5f})"


def _left(c: Certificate) -> float:
    return c.delta_spent - sum(segment.delta for segment in c.segments)


add(app, "show", Named, show)
add(app, "verify", Named, verify)
