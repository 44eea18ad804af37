"""Models on the Hugging Face hub, or on a mirror that HF_ENDPOINT names. Needs the extra [hub].

Finished and half-finished files stay in `downloads` until the model is installed, so that a broken fetch goes on
where it stopped.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rightsized.core.egress import Egress, is_loopback
from rightsized.core.errors import DownloadError, InputError, MissingExtraError, NotFoundError
from rightsized.core.protocols import Progress
from rightsized.store import atomic
from rightsized.store.sources.local import PATTERNS
from rightsized.store.sources.source import Fetched

DESTINATION = "hub"
DEFAULT_ENDPOINT = "https://huggingface.co"
_SPEC = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


class HubSource:
    """One repository at one revision."""

    def __init__(self, spec: str, *, downloads: Path, endpoint: str = "") -> None:
        """`spec` is `ORG/NAME` or `ORG/NAME@REVISION`; a commit as revision pins the content."""
        match = _SPEC.fullmatch(spec)
        if match is None:
            raise InputError(f"{spec!r} names no model on the hub.", fix="Write hub:ORG/NAME or hub:ORG/NAME@REVISION.")
        self.repository = match["repository"]
        self.revision = match["revision"] or "main"
        self.endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        plain = re.sub(r"[^\w.-]", "--", f"{self.repository}@{self.revision}")
        self._kept = downloads / f"hub--{plain}"

    @property
    def destination(self) -> str:
        """`hub`; for a mirror, its host."""
        host = urlsplit(self.endpoint).hostname or ""
        return DESTINATION if self.endpoint == DEFAULT_ENDPOINT else host

    def fetch(self, into: Path, *, egress: Egress, progress: Progress) -> Fetched:
        """See `Source.fetch`."""
        egress.require(self.destination, f"Fetching {self.repository} from {self.endpoint}")
        progress("download", 0, 0)
        commit = self._download()
        with atomic.disk_errors(into):
            shutil.copytree(self._kept, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".cache"))
        source = f"hub:{self.repository}@{commit}"
        return Fetched(folder=str(into), source=source, finished=(str(self._kept),))

    def _download(self) -> str:
        hub = _library()
        # A token that sits in the environment is for the hub, not for whatever answers on this machine.
        token = False if is_loopback(urlsplit(self.endpoint).hostname or "") else None
        try:
            with atomic.disk_errors(self._kept):
                api = hub.HfApi(endpoint=self.endpoint, token=token)
                commit = str(api.model_info(self.repository, revision=self.revision).sha)
                api.snapshot_download(
                    self.repository, revision=commit, local_dir=self._kept, allow_patterns=list(PATTERNS), max_workers=2
                )
        except hub.errors.RepositoryNotFoundError:
            raise NotFoundError(
                f"{self.endpoint} has no model {self.repository!r}, or it is private.",
                fix="Check the name; for a private one set HF_TOKEN.",
            ) from None
        except hub.errors.RevisionNotFoundError:
            raise NotFoundError(f"{self.repository} has no revision {self.revision!r} on {self.endpoint}.") from None
        except (hub.errors.HfHubHTTPError, OSError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DownloadError(
                f"{self.repository} could not be fetched from {self.endpoint}: {reason}",
                fix="Run the same command again; what has arrived is kept. HF_ENDPOINT names a mirror.",
            ) from None
        return commit


def _library() -> Any:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise MissingExtraError("Fetching from the Hugging Face hub needs huggingface_hub.", extra="hub") from None
    return huggingface_hub
