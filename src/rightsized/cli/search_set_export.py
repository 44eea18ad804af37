"""`rightsized search set export` and `set verify`: a production with load files, and reading one back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.progress import progress_bars
from rightsized.cli.search_set_opened import SetOptions, features, reviewed
from rightsized.cli.tables import aligned
from rightsized.core.errors import InputError

if TYPE_CHECKING:
    from rightsized.apps.search.discovery.layout import Manifest
    from rightsized.apps.search.discovery.producing import Plan

_SHOWN = 20  # conflicts listed for people


@dataclass(frozen=True, kw_only=True)
class ExportOptions(SetOptions):
    to: Annotated[Path, typer.Option(help="Folder to write; it must not be there yet.")]
    tag: Annotated[str, typer.Option(help="Documents with this tag go out, with their families.")] = "responsive"
    prefix: Annotated[str, typer.Option(help="Control numbers begin so.")] = "RS"
    first: Annotated[int, typer.Option(help="The first control number.", min=1)] = 1
    natives: Annotated[
        bool, typer.Option("--natives/--no-natives", help="With the documents as they came, beside their texts.")
    ] = True
    allow: Annotated[
        list[str] | None, typer.Option(help="A kind of conflict that does not stand in the way; may be repeated.")
    ] = None
    show_tag: Annotated[
        list[str] | None, typer.Option(help="A tag that the other side is told, besides the decision; repeatable.")
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go out, and write nothing.")] = False


@dataclass(frozen=True, kw_only=True)
class VerifyOptions(Common):
    folder: Annotated[Path, typer.Argument(help="Folder of an export, with production/ and internal/.")]


def export(options: ExportOptions) -> Result:
    """Write a production: load files (DAT, CSV), natives, texts, privilege log, and for the file who saw what."""
    from rightsized.apps.search.discovery.exporting import export as write
    from rightsized.apps.search.discovery.objections import OBJECTIONS
    from rightsized.apps.search.discovery.producing import planned
    from rightsized.apps.search.discovery.records import DECIDING
    from rightsized.apps.search.discovery.relations.related import Related
    from rightsized.core.egress import Egress

    allowed = tuple(dict.fromkeys(options.allow or []))
    if unknown := set(allowed).difference(OBJECTIONS):
        raise InputError(f"{sorted(unknown)[0]!r} is no kind of conflict.", fix=f"One of: {', '.join(OBJECTIONS)}.")
    config = options.settings()
    with (
        reviewed(options) as (collections, review),
        progress_bars(options.json) as progress,
        features(collections.open(options.collection), review) as cache,
    ):
        plan = planned(
            review, Related(review, cache, progress), tag=options.tag, prefix=options.prefix, first=options.first
        )
        if options.dry_run:
            return Result(_data(plan), _told(plan))
        if options.natives:
            collections.attach(options.collection, Egress.at(config.home, config.egress.allow))
        shown = (*DECIDING, *(options.show_tag or ()))
        done = write(
            review, plan, options.to, allowed=allowed, natives=options.natives, shown_tags=shown, progress=progress
        )
    return Result({"folder": str(options.to), **msgspec.to_builtins(done)}, _summary(done, options.to))


def verify(options: VerifyOptions) -> Result:
    """Read an export back: digests, load files, families, and that nothing withheld was given out."""
    from rightsized.apps.search.discovery.verifying import verify as read_back

    found = read_back(options.folder)
    return Result(msgspec.to_builtins(found), f"Whole. {_summary(found, options.folder)}")


def _data(plan: Plan) -> dict[str, Any]:
    units = [
        {"number": one.number, "document": one.document.id, "key": one.document.key, "withheld": one.withheld,
         "no_native": one.no_native, "first": one.first, "last": one.last}
        for one in plan.units
    ]  # fmt: skip
    return {"documents": units, "conflicts": msgspec.to_builtins(plan.conflicts)}


def _told(plan: Plan) -> str:
    withheld = sum(one.withheld for one in plan.units)
    lines = [
        f"Documents: {len(plan.units):,}, {plan.units[0].number} to {plan.units[-1].number}; {withheld:,} withheld.",
        f"Conflicts: {len(plan.conflicts):,}." if plan.conflicts else "No conflicts.",
    ]
    if plan.conflicts:
        rows = [[one.kind, one.key, one.why] for one in plan.conflicts]
        lines.append(aligned(["kind", "document", "why"], rows[:_SHOWN]))
        if len(rows) > _SHOWN:
            lines.append(f"... and {len(rows) - _SHOWN:,} more; --json gives all.")
    return "\n".join(lines)


def _summary(done: Manifest, folder: Path) -> str:
    return (
        f"Documents: {done.documents:,}, in families: {done.families:,}, {done.first} to {done.last}: {done.natives:,} "
        f"with their files, {done.withheld:,} withheld as privileged. {folder / 'production'} is for the other side, "
        f"{folder / 'internal'} is not."
    )
