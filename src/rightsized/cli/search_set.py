"""`rightsized search set`: review sets of a collection for legal discovery, from making one to its production."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from rightsized.cli.commands import Result, add
from rightsized.cli.progress import progress_bars
from rightsized.cli.search_query import fields_of
from rightsized.cli.search_set_coding import (
    NextOptions,
    ReviewOptions,
    SampleOptions,
    certify,
    next_documents,
    review_file,
    sample,
    status,
)
from rightsized.cli.search_set_export import ExportOptions, VerifyOptions, export, verify
from rightsized.cli.search_set_opened import CollectionOptions, SetOptions, features, reviewed, stored
from rightsized.cli.tables import aligned, day
from rightsized.core.errors import InputError

if TYPE_CHECKING:
    from rightsized.apps.search.discovery.records import Criterion
    from rightsized.apps.search.discovery.review import Review
    from rightsized.apps.search.index.collection import Collection

app = typer.Typer(name="set", help="Review sets: collect, tag, rank, know when to stop, produce.", no_args_is_help=True)
_SHOWN = 50  # documents listed for people; --json gives all
Way = StrEnum("Way", ["copies", "family", "thread", "near"])


@dataclass(frozen=True, kw_only=True)
class SelectOptions(SetOptions):
    terms: Annotated[
        list[str] | None,
        typer.Option(help="All documents with a passage that has these words, or fits this search syntax; repeatable."),
    ] = None
    search: Annotated[
        list[str] | None, typer.Option(help="The --most documents that this question finds, by words and meaning.")
    ] = None
    filter: Annotated[
        list[str] | None, typer.Option(help="Only documents with FIELD=VALUE, such as type=message/rfc822; repeatable.")
    ] = None
    most: Annotated[int, typer.Option(help="Documents of each --search.", min=1, max=1000)] = 200
    families: Annotated[
        bool, typer.Option("--families/--no-families", help="With the mails and attachments that belong to them.")
    ] = True
    note: Annotated[str, typer.Option(help="What the set is for.")] = ""


@dataclass(frozen=True, kw_only=True)
class ShowOptions(SetOptions):
    document: Annotated[str, typer.Option(help="Show this document's text, by id or key; goes on record.")] = ""
    tag: Annotated[str, typer.Option(help="List only documents with this tag.")] = ""


@dataclass(frozen=True, kw_only=True)
class TagOptions(SetOptions):
    document: Annotated[list[str], typer.Argument(help="Documents, by id or key.")]
    tag: Annotated[list[str], typer.Option("--tag", "-t", help="responsive, not-responsive, privileged, or your own.")]
    off: Annotated[bool, typer.Option("--off", help="Take the tags away; what was is kept.")] = False
    with_: Annotated[
        list[Way] | None, typer.Option("--with", help="Also all that belongs to them in this way; may be repeated.")
    ] = None
    note: Annotated[str, typer.Option(help="Why; of `privileged` it is the basis in the privilege log.")] = ""


def create(options: SelectOptions) -> Result:
    """Make a set of the documents that you may see and that fit; it stays as it is until you add to it."""
    from rightsized.apps.search.discovery.records import checked_tag
    from rightsized.apps.search.discovery.review import Review, gathered

    checked_tag(options.name)
    with stored(options) as (_, collection, store, who):
        view = collection.view(who.principals)
        found = asyncio.run(gathered(view, _criteria(options), collection.encoder, options.families))
        store.create(options.name, who, options.note, found)
        return _described(Review(store, view, options.name, who), "made")


def add_to(options: SelectOptions) -> Result:
    """Add documents to a set; those that it has stay as they were."""
    from rightsized.apps.search.discovery.review import Review, gathered

    with stored(options) as (_, collection, store, who):
        view = collection.view(who.principals)
        review = Review(store, view, options.name, who)
        found = asyncio.run(gathered(view, _criteria(options), collection.encoder, options.families))
        new = store.add(review.set, who, found)
        return _described(Review(store, view, options.name, who), f"{new:,} added")


def list_sets(options: CollectionOptions) -> Result:
    """List the sets that hold something which you may see."""
    from rightsized.apps.search.discovery.review import visible_sets

    with stored(options) as (_, collection, store, who):
        found = [_standing(one) for one in visible_sets(store, collection.view(who.principals), who)]
    heads = ["set", "documents", "reviewed", "responsive", "privileged", "made by", "on"]
    rows = [[one["name"], *(f"{one[name]:,}" for name in heads[1:5]), one["by"], day(one["created"])] for one in found]
    return Result(found, aligned(heads, rows) if rows else "No set yet. Make one: rightsized search set create")


def show(options: ShowOptions) -> Result:
    """Show what is in a set, or with --document the text of one."""
    with reviewed(options) as (collections, review):
        if options.document:
            return _document(collections.open(options.collection), review, options)
        data = _standing(review) | {"criteria": _criteria_of(review), "documents_listed": _listed(review, options.tag)}
    rows = [[one["key"], ", ".join(one["tags"]), one["id"]] for one in data["documents_listed"]]
    lines = [_sentence(data), aligned(["document", "tags", "id"], rows[:_SHOWN])]
    if len(rows) > _SHOWN:
        lines.append(f"... and {len(rows) - _SHOWN:,} more; --json gives all.")
    return Result(data, "\n".join(lines))


def _document(collection: Collection, review: Review, options: ShowOptions) -> Result:
    from rightsized.apps.search.discovery.relations.related import Related

    known = review.resolve(options.document)
    text, tags = review.text(known), review.tags_of(known)
    with features(collection, review) as cache, progress_bars(options.json) as progress:
        related = Related(review, cache, progress).of(known)
    others = {way: [review.documents[one].key for one in found] for way, found in related.items()}
    document = review.documents[known]
    data = {"document": known, "key": document.key, "tags": tags, "related": related, "text": text}
    lines = [document.title or document.key, f"{document.key}  {', '.join(tags)}"]
    lines += [f"{way}: {', '.join(keys)}" for way, keys in others.items()]
    return Result(data, "\n".join([*lines, "", text]))


def tag(options: TagOptions) -> Result:
    """Tag documents, or revise: what a document was tagged before stays on record."""
    from rightsized.apps.search.discovery.relations.related import WAYS, Related

    with reviewed(options) as (collections, review), progress_bars(options.json) as progress:
        chosen = [review.resolve(one) for one in options.document]
        if options.with_:
            with features(collections.open(options.collection), review) as cache:
                ways = [way for way in WAYS if way in {one.value for one in options.with_}]
                chosen = Related(review, cache, progress).widened(chosen, ways)
        changed = review.tag(chosen, options.tag, off=options.off, note=options.note)
        tags = {review.documents[one].key: review.tags_of(one) for one in chosen}
    rows = [[name, ", ".join(held)] for name, held in tags.items()]
    return Result({"changed": changed, "tags": tags}, aligned(["document", "tags"], rows))


def log(options: SetOptions) -> Result:
    """Show who saw and did what in a set; its chain of digests is checked first."""
    with reviewed(options) as (_, review):
        entries = review.log()
        keys = {one.id: one.key for one in review.documents.values()}
    rows = [
        [day(one.at, minutes=True), one.account, one.action, keys.get(one.document, ""), one.detail] for one in entries
    ]
    return Result(msgspec.to_builtins(entries), aligned(["when", "who", "what", "document", "detail"], rows))


def _criteria(options: SelectOptions) -> list[Criterion]:
    from rightsized.apps.search.discovery.records import Criterion
    from rightsized.apps.search.types import Filters

    filters = Filters(fields=fields_of(options.filter or []))
    found = [Criterion("terms", one, filters) for one in options.terms or []]
    found += [Criterion("search", one, filters, options.most) for one in options.search or []]
    if not found and not options.filter:
        raise InputError("Nothing says which documents.", fix="Give --terms, --search or --filter.")
    return found or [Criterion("filter", filters=filters)]


def _standing(review: Review) -> dict[str, Any]:
    decided, tags = review.decided(), review.tags()
    return {
        "name": review.set.name,
        "note": review.set.note,
        "by": review.set.by,
        "created": review.set.created,
        "documents": len(review.documents),
        "reviewed": len(decided),
        "responsive": sum(decided.values()),
        "privileged": sum("privileged" in held for held in tags.values()),
    }


def _described(review: Review, done: str) -> Result:
    data = _standing(review)
    return Result(data, f"{done[0].upper()}{done[1:]}. {_sentence(data)}")


def _sentence(data: dict[str, Any]) -> str:
    return (
        f"{data['name']}: {data['documents']:,} documents that you may see, {data['reviewed']:,} reviewed, "
        f"{data['responsive']:,} responsive, {data['privileged']:,} privileged."
    )


def _criteria_of(review: Review) -> list[dict[str, Any]]:
    return [{"by": by, "at": at, **msgspec.to_builtins(one)} for _, one, by, at in review.store.criteria(review.set)]


def _listed(review: Review, tag_wanted: str) -> list[dict[str, Any]]:
    tags = review.tags()
    return [
        {
            "id": one.id,
            "key": one.key,
            "source": one.source,
            "title": one.title,
            "date": one.date,
            "tags": sorted(tags.get(one.id, {})),
            "changed": one.content != review.members[one.id].content,
        }
        for one in review.documents.values()
        if not tag_wanted or tag_wanted in tags.get(one.id, {})
    ]


add(app, "create", SelectOptions, create)
add(app, "add", SelectOptions, add_to)
add(app, "list", CollectionOptions, list_sets)
add(app, "show", ShowOptions, show)
add(app, "tag", TagOptions, tag)
add(app, "next", NextOptions, next_documents)
add(app, "review", ReviewOptions, review_file)
add(app, "status", SetOptions, status)
add(app, "sample", SampleOptions, sample)
add(app, "certify", SetOptions, certify)
add(app, "export", ExportOptions, export)
add(app, "verify", VerifyOptions, verify)
add(app, "log", SetOptions, log)
