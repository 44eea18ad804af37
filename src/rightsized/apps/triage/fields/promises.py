"""What is promised of each field here and now: certificates kept beside the inbox, and whether they are in force.

A certificate is about the patterns, lists and model that were tested: once one of them changes, or it has run out, or
it was altered, nothing is promised. Making certificates is in `certifying`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from rightsized import __version__
from rightsized.apps.triage.fields.model import FOLDER
from rightsized.apps.triage.fields.settings import FieldSettings
from rightsized.apps.triage.records import Extracted
from rightsized.cascade.certificate import public_key, verify_certificate, why_void
from rightsized.core.errors import CertificateError, StoreError
from rightsized.core.frozen import Frozen
from rightsized.core.types import Certificate, State
from rightsized.engines.token_fields import SETTINGS_FILE
from rightsized.store import atomic
from rightsized.store.home import Home
from rightsized.tasks.identity import SIGNING_SECRET

FILE = "certificates.json"
COUNT_SECONDS = 60.0  # how often the messages since a certificate are counted


class Kept(Frozen, frozen=True):
    """The latest certificate of each field."""

    certificates: dict[str, Certificate] = msgspec.field(default_factory=dict)


class Promise(NamedTuple):
    """How a field stands. `why`: what is wrong with a certificate that is not in force."""

    state: State = "none"
    certificate: str = ""
    least: float | None = None  # confidence from which on values are covered; None: none are
    why: str = ""


class Promises:
    """The promises of the inbox in `folder`. May be used by several threads.

    Args:
        since: how many messages were read since a moment.
    Raises:
        StoreError: the file of certificates cannot be read.
    """

    def __init__(
        self, folder: Path, settings: FieldSettings, since: Callable[[float], int], *,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.certificates = read(folder)
        self._since, self._clock = since, clock
        self._counted: dict[str, tuple[float, int]] = {}
        self._digests = digests(folder, settings) if self.certificates else {}
        self._altered = dict(_altered(folder, self.certificates))

    def of(self, name: str) -> Promise:
        """How a field stands now."""
        certificate = self.certificates.get(name)
        if certificate is None:
            return Promise(why="nobody has tested it")
        if certificate.state != "certified":
            return Promise(certificate.state, certificate.id, why="the test did not show it")
        void = self._altered.get(name) or why_void(
            certificate, now=self._clock(), requests=self._requests(name, certificate), digests=self._digests
        )
        if void:
            return Promise("none", certificate.id, why=void)
        return Promise("certified", certificate.id, certificate.thresholds[0])

    def on(self, found: Iterable[Extracted]) -> tuple[Extracted, ...]:
        """The fields of a message, each with what is promised of it.

        A message is covered as a whole: one value below the bar, and none of that field's is certified.
        """
        fields = tuple(found)
        least: dict[str, float] = {}
        for one in fields:
            least[one.name] = min(one.confidence, least.get(one.name, 1.0))
        known = {name: self.of(name) for name in least}
        return tuple(_promised(one, known[one.name], least[one.name]) for one in fields)

    def _requests(self, name: str, certificate: Certificate) -> int:
        now = self._clock()
        at, count = self._counted.get(name, (float("-inf"), 0))
        if now - at >= COUNT_SECONDS:
            count = self._since(certificate.created)
            self._counted[name] = (now, count)
        return count


def _promised(one: Extracted, promise: Promise, confidence: float) -> Extracted:
    covered = promise.least is not None and confidence >= promise.least
    return replace(one, state=promise.state, certified=covered, certificate=promise.certificate)


def read(folder: Path) -> dict[str, Certificate]:
    """The certificates of an inbox, by field. Raises StoreError."""
    path = folder / FOLDER / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept).certificates
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(
            f"The certificates of fields in {path} cannot be read: {error}.",
            fix="Restore the file, or delete it: then nothing is promised of any field.",
        ) from None


def keep(folder: Path, certificates: Mapping[str, Certificate]) -> None:
    """Keep these beside those of other fields. Raises StoreError."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    kept = Kept(read(folder) | dict(certificates))
    atomic.write(folder / FOLDER / FILE, msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")


def digests(folder: Path, settings: FieldSettings) -> dict[str, str]:
    """Names all that decides what is found in a message: settings, model, and the version of our patterns."""
    model = folder / FOLDER / SETTINGS_FILE  # it holds the digests of the model's other files
    body = model.read_bytes() if model.is_file() and settings.model else b""
    return {
        "settings": _digest(msgspec.json.encode(settings, order="deterministic")),
        "model": _digest(body) if body else "none",
        "patterns": __version__,
    }


def home_of(folder: Path) -> Home:
    """The home of the inbox in `folder`."""
    return Home(folder.parent.parent)


def _altered(folder: Path, certificates: Mapping[str, Certificate]) -> Iterable[tuple[str, str]]:
    if not certificates:
        return
    key = public_key(home_of(folder).secret(SIGNING_SECRET))
    for name, one in certificates.items():
        try:
            verify_certificate(one, key)
            if one.rungs[:1] != (name,):
                yield name, "the certificate is about another field"
        except CertificateError as error:
            yield name, error.message


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
