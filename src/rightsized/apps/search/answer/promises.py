"""The certificate of a collection's answers: where it is kept, what it is bound to, and whether it is in force.

It stands in the collection's folder, one a method. In force, its threshold decides what is answered; else answers are
`uncertified`, and say why. `calibrating` makes it.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

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


class Bars:
    """What answers of collections are measured by, read again when a certificate changes. For several threads."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], Kept, str, Tally]] = {}

    def of(self, collection: Collection, ranking: Ranking, method: Method, identity: str = "") -> Bar:
        """The bar for one more question: the certificate's where one is in force."""
        path = path_of(collection.folder, method)
        try:
            found = path.stat()
        except OSError:
            return EVIDENCE
        version = (found.st_mtime_ns, found.st_ino)
        known = self._known.get(path)
        if known is None or known[0] != version:
            kept = load(collection.folder, method)
            if kept is None:
                return EVIDENCE
            wrong = _altered(kept, collection)
            known = self._known[path] = (version, kept, wrong, Tally(collection.folder, method))
        _, kept, wrong, tally = known
        return bar_of(kept, wrong or self._void(kept, collection, ranking, method, identity, tally))

    def _void(
        self, kept: Kept, collection: Collection, ranking: Ranking, method: Method, identity: str, tally: Tally
    ) -> str:
        if kept.certificate.state != "certified":
            return "calibration found no threshold that keeps the error within the budget"
        serving = digests_of(collection, ranking, kept.weights, method, identity)
        return why_void(kept.certificate, now=time.time(), requests=tally.count(), digests=serving)


def bar_of(kept: Kept, void: str) -> Bar:
    """The certificate's bar; the default one, with the reason, where it is void."""
    (threshold,) = kept.certificate.thresholds
    if void or threshold is None:
        why = void or "no threshold was found"
        return EVIDENCE._replace(promise=f"No promise is made about answers of this collection: {why}.")
    return Bar(kept.weights, threshold, "certified", kept.certificate.sentence)


def _altered(kept: Kept, collection: Collection) -> str:
    """Why a certificate is not this home's; empty where it is."""
    try:
        verify_certificate(kept.certificate, public_key(home_of(collection).secret(SIGNING_SECRET)))
    except CertificateError as error:
        return error.message.rstrip(".")
    return ""
