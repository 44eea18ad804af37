"""`rightsized search status`, `check`, `compact` and `remove`: what the owner of a collection does with its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.search_opened import opened
from rightsized.cli.tables import aligned
from rightsized.core.errors import StoreError

if TYPE_CHECKING:
    from rightsized.apps.search.index.inspection import IndexState, SidecarState

_FOUND_WRONG = 1  # exit status of a check that found something
_DIGEST_SHOWN = 19  # characters: sha256: and twelve of it


@dataclass(frozen=True, kw_only=True)
class NameOptions(Common):
    collection: Annotated[str, typer.Argument(help="Name of the collection.")]


@dataclass(frozen=True, kw_only=True)
class RemoveOptions(NameOptions):
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False


def status(options: NameOptions) -> Result:
    """Show how the index of a collection stands: sizes, what waits, and whether another encoder is taking over."""
    with opened(options.settings()) as collections:
        state, dead = collections.state(options.collection), collections.dead(options.collection)
    return Result(
        {"collection": options.collection, **msgspec.to_builtins(state), "dead": dead},
        _told(options.collection, state, dead),
    )


def check(options: NameOptions) -> Result:
    """Go through a whole collection and name what is damaged. Nothing is changed; exit status 1 where something is."""
    with opened(options.settings()) as collections:
        found = collections.check(options.collection)
    if not found:
        return Result({"collection": options.collection, "findings": []}, f"{options.collection} is whole.")
    mend = (
        "The next sync makes lexical index and vectors anew. A damaged database comes back from a backup, or by\n"
        f"adding the sources again after: rightsized search remove {options.collection}"
    )
    return Result({"collection": options.collection, "findings": found}, "\n".join([*found, mend]), _FOUND_WRONG)


def compact(options: NameOptions) -> Result:
    """Leave nothing on the disk of what was deleted: no text, no words, no vectors."""
    with opened(options.settings()) as collections:
        before, after = collections.compact(options.collection)
    data = {"collection": options.collection, "bytes_before": before, "bytes": after}
    return Result(data, f"{options.collection}: {_size(after)}, {_size(before)} before.")


def remove(options: RemoveOptions) -> Result:
    """Delete a collection from this machine, a broken one too. Its sources stay as they are."""
    with opened(options.settings()) as collections:
        if not options.yes and not options.json:
            try:
                held = f"{collections.state(options.collection).passages:,} passages"
            except StoreError:
                held = "which is broken"
            typer.confirm(f"Delete {options.collection} ({held})?", abort=True)
        collections.remove(options.collection)
    return Result({"removed": options.collection}, f"{options.collection} is deleted.")


def _told(name: str, state: IndexState, dead: int) -> str:
    free = f"{_size(state.free_bytes)} of it free" if state.free_bytes else ""
    rows = [
        ["database", _size(state.database_bytes), f"{state.passages:,}", "", free],
        ["words", *_sidecar(state.lexical)],
        ["vectors", *_sidecar(state.vectors)],
    ]
    lines = [aligned(["part", "size", "passages", "deleted", "state"], rows)]
    if state.graphed:
        lines.append(f"{state.graphed:,} vectors are in a graph; the others are all compared.")
    for one in state.encoders:
        who, count = one.digest[:_DIGEST_SHOWN], f"{one.passages:,} of {state.passages:,}"
        if one.serves and one.passages < state.passages:
            lines.append(f"Encoder {who} serves; {count} passages have its vectors, the next sync adds the others.")
        elif one.serves:
            lines.append(f"Encoder {who} serves.")
        else:
            lines.append(f"Encoder {who} is to take over: {count} passages have its vectors. Go on by a sync.")
    if state.incomplete:
        lines.append(f"{state.incomplete:,} documents were being taken in when a sync ended; the next one goes on.")
    if dead:
        lines.append(f"{dead:,} documents could not be read: rightsized search show {name}")
    return "\n".join(lines)


def _sidecar(one: SidecarState) -> list[str]:
    what = "as the database" if one.current else "behind: the next sync brings it up"
    return [_size(one.bytes), f"{one.passages:,}", f"{one.deleted:,}", what]


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
