"""The certificate of a collection's answers: where it is kept, what it is bound to, and whether it is in force.

It stands in the collection's folder, one a method. In force, its threshold decides what is answered; else answers are
`uncertified`, and say why. `calibrating` makes it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from rightsized.apps.search.answer.answering import EVIDENCE, Bar
from rightsized.apps.search.answer.choosing import Weights
from rightsized.apps.search.answer.counting import Tally
from rightsized.apps.search.answer.records import Method
from rightsized.apps.search.collections import RECIPE
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.query.results import Ranking
from rightsized.cascade.certificate import public_key, verify_certificate, why_void
from rightsized.core.errors import CertificateError, IntegrityError
from rightsized.core.frozen import Frozen
from rightsized.core.types import Certificate
from rightsized.store import atomic
from rightsized.store.home import Home
from rightsized.tasks.identity import SIGNING_SECRET

CHECKS = "write-1"  # raised when code changes which written sentences are shown
_FIX = "Calibrate again: rightsized search calibrate, or remove the file."


class Kept(Frozen, frozen=True):
    """What stands in `answers-METHOD.json`: the certificate and the weights whose probability it is about."""

    certificate: Certificate
    weights: Weights


def task_of(collection: str, method: Method) -> str:
    """The name under which answers stand on record and in the queue."""
    return f"search/{collection}/{method}"


def path_of(folder: Path, method: Method) -> Path:
    """Where a collection's certificate is kept."""
    return folder / f"answers-{method}.json"


def save(folder: Path, method: Method, kept: Kept) -> None:
    """Keep a certificate, and count its questions from nothing."""
    atomic.write(path_of(folder, method), msgspec.json.encode(kept))
    Tally(folder, method).reset()


def load(folder: Path, method: Method) -> Kept | None:
    """What is kept; None where nothing is. Raises IntegrityError where it cannot be read."""
    path = path_of(folder, method)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise IntegrityError(f"{path} cannot be read: {error}.", fix=_FIX) from None


def digests_of(
    collection: Collection, ranking: Ranking, weights: Weights, method: Method, identity: str
) -> dict[str, str]:
    """All that answers depend on, by name, as `sha256:...`.

    Args:
        identity: names what writes; empty for extracts.
    """
    found = {
        "answers": weights.digest,
        "encoder": collection.encoder.digest,
        "runtime": getattr(collection.encoder, "runtime", "unknown"),
        "ordering": ranking.ordering.digest if ranking.ordering else _digest("none"),
        "fusion": _digest(repr(ranking.fusion)),
        "reranker": ranking.reranker.model if ranking.reranker else _digest("none"),
        "recipe": _digest(RECIPE),
        "method": _digest(f"{method} {CHECKS}" if identity else method),
    }
    return found | ({"writer": _digest(identity)} if identity else {})


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def home_of(collection: Collection) -> Home:
    """The home that a collection lies in."""
    return Home(collection.folder.parents[1])


class Watching(Protocol):
    """What keeps answers under a certificate on record and watches its promise."""

    @property
    def trouble(self) -> str:
        """Why answers cannot be put on record, in words; empty where they can, or need not."""
        ...

    def watch(self, certificate: Certificate, *, on_alarm: Callable[[str], None], void: Callable[[], str]) -> None:
        """From now on; `on_alarm` is told of an alarm, `void` says why the promise is not in force otherwise."""
        ...


class _Known:
    """A certificate as it was read, with what became of it since."""

    def __init__(self, version: tuple[int, int], kept: Kept, wrong: str, tally: Tally) -> None:
        self.version, self.kept, self.wrong, self.tally = version, kept, wrong, tally
        self.alarm = self.void = ""

    def why_void(self) -> str:
        """Why nothing is promised now: what the last question was told, or that the time is over."""
        certificate = self.kept.certificate
        return self.void or why_void(certificate, now=time.time(), requests=0, digests=certificate.digests)

    def sound(self, detail: str) -> None:
        self.alarm = f"suspended by an alarm: {detail.rstrip('.')}"


class Bars:
    """What answers of collections are measured by, read again when a certificate changes. For several threads.

    Args:
        watching: is told of each certificate as it is read; None: nobody watches.
    """

    def __init__(self, watching: Watching | None = None) -> None:
        self._known: dict[Path, _Known] = {}
        self._watching = watching

    def of(self, collection: Collection, ranking: Ranking, method: Method, identity: str = "") -> Bar:
        """The bar for one more question: the certificate's where one is in force."""
        known = self.known(collection, method)
        if known is None:
            return EVIDENCE
        known.void = known.wrong or known.alarm or self._void(known, collection, ranking, method, identity)
        return bar_of(known.kept, known.void)

    def known(self, collection: Collection, method: Method) -> _Known | None:
        """The certificate that is kept, read and watched; None where there is none. Raises IntegrityError."""
        path = path_of(collection.folder, method)
        try:
            found = path.stat()
        except OSError:
            return None
        version = (found.st_mtime_ns, found.st_ino)
        known = self._known.get(path)
        if known is None or known.version != version:
            kept = load(collection.folder, method)
            if kept is None:
                return None
            wrong = _altered(kept, collection) or _misnamed(kept, collection, method)
            known = self._known[path] = _Known(version, kept, wrong, Tally(collection.folder, method))
            if self._watching is not None and not wrong and kept.certificate.state == "certified":
                self._watching.watch(kept.certificate, on_alarm=known.sound, void=known.why_void)
        return known

    def _void(self, known: _Known, collection: Collection, ranking: Ranking, method: Method, identity: str) -> str:
        kept = known.kept
        if kept.certificate.state != "certified":
            return "calibration found no threshold that keeps the error within the budget"
        if self._watching is not None and self._watching.trouble:
            return self._watching.trouble
        serving = digests_of(collection, ranking, kept.weights, method, identity)
        return why_void(kept.certificate, now=time.time(), requests=known.tally.count(), digests=serving)


def bar_of(kept: Kept, void: str) -> Bar:
    """The certificate's bar; the default one, with the reason, where it is void."""
    (threshold,) = kept.certificate.thresholds
    if void or threshold is None:
        why = void or "no threshold was found"
        return EVIDENCE._replace(promise=f"No promise is made about answers of this collection: {why}.")
    return Bar(kept.weights, threshold, "certified", kept.certificate.sentence, kept.certificate.id)


def _misnamed(kept: Kept, collection: Collection, method: Method) -> str:
    """Why a certificate cannot be watched; empty where it can."""
    if kept.certificate.task == task_of(collection.name, method):
        return ""
    return "it was made for another collection, or before answers were watched"


def _altered(kept: Kept, collection: Collection) -> str:
    """Why a certificate is not this home's; empty where it is."""
    try:
        verify_certificate(kept.certificate, public_key(home_of(collection).secret(SIGNING_SECRET)))
    except CertificateError as error:
        return error.message.rstrip(".")
    return ""
