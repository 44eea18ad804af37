"""Models on the Hugging Face hub, or on a mirror that HF_ENDPOINT names. Needs the extra [hub].

Finished and half-finished files stay in `downloads` until the model is installed, so that a broken fetch goes on
where it stopped.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from rightsized.core.egress import Egress, is_loopback
from rightsized.core.errors import (
    DownloadError,
    InputError,
    IntegrityError,
    MissingExtraError,
    NotFoundError,
    RightsizedError,
)
from rightsized.core.protocols import Progress
from rightsized.store import atomic, cards
from rightsized.store.cards import Card
from rightsized.store.locks import one_at_a_time
from rightsized.store.sources.source import Fetched

_AGAIN = "Run the same command again; what has arrived is kept. HF_ENDPOINT names a mirror."
DESTINATION = "hub"
DEFAULT_ENDPOINT = "https://huggingface.co"
_SPEC = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


_COMMIT = re.compile(r"[0-9a-f]{40}")


class _Listed(NamedTuple):
    """A file as the hub lists it; sha256 is empty for small files, which it does not state."""

    name: str
    size: int
    sha256: str


class HubSource:
    """One repository at one revision."""

    def __init__(
        self, spec: str, *, downloads: Path, endpoint: str = "", wanted: Callable[[str], bool] | None = None
    ) -> None:
        """`spec` is `ORG/NAME` or `ORG/NAME@REVISION`; a commit as revision pins the content.

        `wanted` says which files of the repository are fetched; without it, those that an encoder is built from.
        """
        match = _SPEC.fullmatch(spec)
        if match is None:
            raise InputError(f"{spec!r} names no model on the hub.", fix="Write hub:ORG/NAME or hub:ORG/NAME@REVISION.")
        self.repository = match["repository"]
        self.revision = match["revision"] or "main"
        self.endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        self._downloads = downloads
        self._wanted = wanted or is_wanted

    @property
    def destination(self) -> str:
        """`hub`; for a mirror, its host."""
        host = urlsplit(self.endpoint).hostname or ""
        return DESTINATION if self.endpoint == DEFAULT_ENDPOINT else host

    @property
    def name(self) -> str:
        return self.repository.rpartition("/")[2]

    def delivered(self, card: Card) -> bool:
        """The revision counts where it is a commit; a branch or tag is taken as delivered."""
        repository, _, commit = card.source.removeprefix("hub:").partition("@")
        return repository == self.repository and (commit == self.revision or not _COMMIT.fullmatch(self.revision))

    def fetch(self, into: Path, *, egress: Egress, progress: Progress) -> Fetched:
        """See `Source.fetch`. Sizes and sha256 are checked against what the hub lists."""
        purpose = f"Fetching {self.repository} from {self.endpoint}"
        egress.require(self.destination, purpose)
        hub = _library()
        received: list[int] = []
        with egress.opening(self.destination, purpose, lambda: sum(received)):
            return self._fetch(hub, into, received, progress)

    def _fetch(self, hub: Any, into: Path, received: list[int], progress: Progress) -> Fetched:
        progress("download", 0, 0)
        with self._explained(hub):
            commit, wanted = self._list(hub)
        plain = re.sub(r"[^\w.-]", "--", self.repository)
        kept = self._downloads / f"hub--{plain}--{commit}"
        with one_at_a_time(kept.with_name(f"{kept.name}.lock")), atomic.disk_errors(into):
            with self._explained(hub), atomic.disk_errors(kept):
                self._download(hub, kept, commit, wanted, progress)
            received += [facts.size for facts in wanted]
            for facts in wanted:
                (into / facts.name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(kept / facts.name, into / facts.name)
        return Fetched(folder=str(into), source=f"hub:{self.repository}@{commit}", finished=(str(kept),))

    def _api(self, hub: Any) -> Any:
        # A token found in the environment is for the hub, not for whatever answers on this machine.
        token = False if is_loopback(urlsplit(self.endpoint).hostname or "") else None
        return hub.HfApi(endpoint=self.endpoint, token=token)

    def _list(self, hub: Any) -> tuple[str, list[_Listed]]:
        """The commit that the revision stands for, and the files we want of it."""
        info = self._api(hub).model_info(self.repository, revision=self.revision, files_metadata=True)
        files = [_Listed(f.rfilename, f.size or 0, f.lfs.sha256 if f.lfs else "") for f in info.siblings or ()]
        return str(info.sha), [facts for facts in files if self._wanted(facts.name)]

    def _download(self, hub: Any, kept: Path, commit: str, wanted: list[_Listed], progress: Progress) -> None:
        """Fetch what is not here yet; a file cut off earlier goes on at the byte where it stopped."""
        headers = hub.utils.build_hf_headers(token=self._api(hub).token)
        total = sum(facts.size for facts in wanted)
        before = 0
        for facts in wanted:
            done = kept / facts.name
            done.parent.mkdir(parents=True, exist_ok=True)
            if not done.exists():
                part = done.with_name(f"{done.name}.part")
                url = hub.hf_hub_url(self.repository, facts.name, revision=commit, endpoint=self.endpoint)
                with part.open("ab") as file:
                    report = partial(_report, progress, before, total)
                    size = file.seek(0, os.SEEK_END)
                    target = _Reporting(file, report)
                    hub.file_download.http_get(url, target, resume_size=size, headers=headers, expected_size=facts.size)
                _check(part, facts, self.endpoint)
                part.replace(done)
            before += facts.size
            progress("download", before, total)

    @contextmanager
    def _explained(self, hub: Any) -> Iterator[None]:
        """Turn the library's errors into ours."""
        try:
            yield
        except RightsizedError:
            raise
        except hub.errors.RevisionNotFoundError:
            raise NotFoundError(f"{self.repository} has no revision {self.revision!r} on {self.endpoint}.") from None
        except hub.errors.RepositoryNotFoundError:
            raise NotFoundError(
                f"{self.endpoint} has no model {self.repository!r}, or it is private.",
                fix="Check the name; for a private one set HF_TOKEN.",
            ) from None
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise DownloadError(
                f"{self.repository} could not be fetched from {self.endpoint}: {reason}", fix=_AGAIN
            ) from error


def open_source(rest: str, downloads: Path) -> HubSource:
    """The factory registered as `hub` in `rightsized.sources`."""
    return HubSource(rest, downloads=downloads)


class _Reporting:
    """A file that says how far it has come; what the library asks of a file, and no more."""

    def __init__(self, file: BinaryIO, report: Callable[[int], None]) -> None:
        self._file = file
        self._report = report
        self.name = file.name

    def write(self, data: bytes) -> int:
        written = self._file.write(data)
        self._report(self._file.tell())
        return written

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        return self._file.truncate(size)


def _report(progress: Progress, before: int, total: int, position: int) -> None:
    progress("download", before + position, total)


def _check(part: Path, listed: _Listed, endpoint: str) -> None:
    fact = cards.describe(part)
    if fact.size == listed.size and listed.sha256 in ("", fact.sha256):
        return
    part.unlink()  # so that the next attempt fetches it anew
    raise IntegrityError(
        f"{listed.name} from {endpoint} has {fact.size} bytes and sha256 {fact.sha256}; "
        f"the hub lists {listed.size} bytes and {listed.sha256 or 'no sha256'}.",
        fix=_AGAIN,
    )


def is_wanted(name: str) -> bool:
    """True for the files of a repository that an encoder is built from."""
    top = "/" not in name
    return name in ("README.md", "1_Pooling/config.json") or (top and name.endswith((".json", ".safetensors")))


def _library() -> Any:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        import huggingface_hub
        import huggingface_hub.errors
        import huggingface_hub.file_download
        import huggingface_hub.utils
    except ImportError:
        raise MissingExtraError("Fetching from the Hugging Face hub needs huggingface_hub.", extra="hub") from None
    return huggingface_hub
