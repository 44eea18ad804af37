"""One adaptation from pairs to a decision: mine, train, install, fill vectors, judge both, and swap only if better.

The collection is searched all the while. The judged questions are asked of it, and of a copy in which the new encoder's
vectors serve: a linear map's are made from those that are stored, those of trained layers are encoded first, beside the
old ones. Only then are vectors encoded for good and swapped in one transaction, or dropped.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rightsized.apps.search.adapt import copies, own
from rightsized.apps.search.adapt.copies import WORK
from rightsized.apps.search.adapt.judging import FEWEST, MAIN, Side, figures, halves, judged
from rightsized.apps.search.adapt.mapped import fill_mapped
from rightsized.apps.search.adapt.mining import mine
from rightsized.apps.search.adapt.negatives import mine_negatives
from rightsized.apps.search.adapt.projecting import PROJECTION, projected
from rightsized.apps.search.adapt.records import FEWEST_PAIRS, Adapted, AdaptOptions, Judgement, Mined
from rightsized.apps.search.adapt.training import Base, Made, trained_on
from rightsized.apps.search.index import database
from rightsized.apps.search.index.collection import FOLDER, Collection, open_collection
from rightsized.apps.search.query.results import Ranking
from rightsized.apps.search.rank.saved import open_ordering
from rightsized.apps.search.rank.tuning import JudgedQuestion
from rightsized.apps.search.sync.reembed import reembed
from rightsized.core.errors import DataError, UnsupportedError
from rightsized.core.protocols import Encoder, Progress, no_progress
from rightsized.store import atomic
from rightsized.tasks.adapted import free_name, install_reweighed
from rightsized.tasks.encoders import open_encoder

if TYPE_CHECKING:
    from rightsized.engines.onnx import OnnxEncoder


def adapt(
    collection: Collection,
    base: Base,
    questions: Sequence[JudgedQuestion],
    options: AdaptOptions,
    *,
    swap: bool = True,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> Adapted:
    """Adapt `base` to a collection that it serves.

    Args:
        questions: judged ones, never learnt from. With none, nothing is swapped.
        swap: let what is better serve; without, the report says whether it would, and the collection stays as it was.
    Raises:
        DataError: the collection gives too few pairs.
        UnsupportedError: the vectors that serve are of another encoder.
        JobError: stopped; the same call goes on from there. HomeLockedError: another process writes to the collection.
    """
    view = collection.view(collection.all_principals())
    if view.encoder != base.encoder.digest:
        fix = f"Run: rightsized search adapt {collection.name} --back"
        raise UnsupportedError(
            f"{collection.name!r} is not indexed with {base.name!r}, which is adapted here.", fix=fix
        )
    pairs, left_out = mine(view, [one.text for one in questions], options, progress)
    if len(pairs) < FEWEST_PAIRS:
        found = f"{collection.name!r} gives {len(pairs)} pairs of heading and text"
        raise DataError(f"{found}; {FEWEST_PAIRS} are the fewest to learn from.")
    negatives = mine_negatives(view, pairs, base.encoder, options.seed, progress)
    mined = Mined(tuple(pairs), tuple(negatives), left_out)
    first, second = halves(questions, options.seed)
    if options.method == "layers":
        made = trained_on(mined, base, collection.folder / WORK, options, progress=progress, cancelled=cancelled)
    else:
        made = projected(mined, base, view, [questions[at] for at in first], options, progress=progress)
    name = free_name(base.store, f"{base.name}-{collection.name}")
    install_reweighed(base.store, base.name, name, made.arrays, made.facts, progress)
    try:
        with closing(open_encoder(name, base.store)) as encoder:
            step = _Step(collection, base, encoder, made, options, swap)
            report = step.decided(questions, (first, second), progress, cancelled) if questions else step.unjudged()
    except BaseException:
        base.store.remove(name)
        raise
    if questions and not (report.kept and swap):
        base.store.remove(name)
    shutil.rmtree(collection.folder / WORK, ignore_errors=True)
    return report


def go_back(collection: Collection, encoder: Encoder, progress: Progress = no_progress) -> int:
    """Let the encoder of the settings serve again; how many passages were encoded. The models stay in the store."""
    done = reembed(collection, encoder, progress=progress)
    own.forget_own(collection.folder)
    return done.encoded


class _Step:
    """What is decided about one trained encoder."""

    def __init__(
        self, collection: Collection, base: Base, encoder: OnnxEncoder, made: Made, options: AdaptOptions, swap: bool
    ) -> None:
        self._collection, self._base, self._encoder = collection, base, encoder
        self._made, self._options, self._swaps = made, options, swap
        self._mapped = PROJECTION in made.arrays

    def unjudged(self) -> Adapted:
        """Nothing was asked, so nothing is shown, and nothing changes."""
        why = "There are no judged questions, so that nothing shows whether it is better. The encoder stays as it was."
        return self._report(None, None, False, why)

    def decided(
        self,
        questions: Sequence[JudgedQuestion],
        parts: tuple[Sequence[int], Sequence[int]],
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> Adapted:
        """Judge on both parts, of which the second decides; then swap or drop."""
        if not self._mapped:
            reembed(self._collection, self._encoder, swap=False, progress=progress, cancelled=cancelled)
        before = figures(self._side(self._collection, self._base.encoder), questions, progress)
        with self._copy(progress) as copy:
            after = figures(self._side(copy, self._encoder), questions, progress)
        seed = self._options.seed
        other, deciding = (judged(before, after, questions, part, seed) if part else None for part in parts)
        kept, why = verdict(deciding)
        report = self._report(deciding, other, kept, why)
        if kept and self._swaps:
            self._swap(report, progress)
        elif not self._mapped:
            self._drop()
        return report

    def _side(self, collection: Collection, encoder: Encoder) -> Side:
        """The order learned for this encoder, where there is one, belongs to what is served."""
        ordering = open_ordering(self._collection.folder, encoder.digest)
        return Side(collection.view(self._collection.all_principals()), encoder, Ranking(ordering=ordering))

    @contextmanager
    def _copy(self, progress: Progress) -> Iterator[Collection]:
        """A copy of the collection in which the new vectors serve."""
        with copies.held(self._collection.folder) as home, self._copied(home, progress) as copy:
            yield copy

    @contextmanager
    def _copied(self, home: Path, progress: Progress) -> Iterator[Collection]:
        place = home / FOLDER / self._collection.name
        place.mkdir(parents=True, mode=0o700)
        with (
            atomic.disk_errors(place),
            closing(database.open_reader(self._collection.folder / database.FILE)) as source,
            closing(database.open_writer(place / database.FILE)) as into,
            database.explained(place / database.FILE),
        ):
            _backup(source, into)
        copy = open_collection(home, self._collection.name, self._encoder)
        try:
            if self._mapped:
                fill_mapped(copy, self._base.encoder, self._encoder, self._made.arrays[PROJECTION], progress)
            reembed(copy, self._encoder, progress=progress)
            yield copy
        finally:
            copy.close()

    def _swap(self, report: Adapted, progress: Progress) -> None:
        folder = self._collection.folder
        chosen = own.Own(self._encoder.card.name, self._encoder.digest, self._base.name, time.time(), report)
        own.write_own(folder, chosen)  # means nothing until its vectors serve
        reembed(self._collection, self._encoder, progress=progress)
        own.write_own(folder, chosen)  # once more, for those that have the collection open

    def _drop(self) -> None:
        old = self._base.encoder
        with self._collection.writing() as writer, closing(self._collection.sidecars(writer)) as sidecars:
            writer.serve(writer.encoder(old.digest, old.dimension))
            sidecars.update()
            writer.reclaim()
        self._collection.refresh()

    def _report(self, deciding: Judgement | None, other: Judgement | None, kept: bool, why: str) -> Adapted:
        return Adapted(
            collection=self._collection.name,
            base=self._base.name,
            model=self._encoder.card.name,
            digest=self._encoder.digest,
            trained=self._made.trained,
            deciding=deciding,
            other=other,
            kept=kept,
            reason=why,
        )


def verdict(deciding: Judgement | None) -> tuple[bool, str]:
    """Whether it is kept, and why in a sentence: the interval of the gain in nDCG@10 must lie above 0."""
    count = deciding.questions if deciding else 0
    if deciding is None or count < FEWEST:
        return False, f"{count} judged questions decide, and {FEWEST} are the fewest. The encoder stays as it was."
    before, after, gain = deciding.served[MAIN]
    found = f"nDCG@10 {before.mean:.3f} to {after.mean:.3f}, by {gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}),"
    if gain.proven:
        return True, f"{found} on {count} questions held out: better, and kept."
    return False, f"{found} on {count} questions held out: not shown to be better. The encoder stays as it was."


def _backup(source: sqlite3.Connection, into: sqlite3.Connection) -> None:
    source.backup(into, pages=2000)
