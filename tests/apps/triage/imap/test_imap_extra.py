"""Without the extra, the error names it."""

from __future__ import annotations

import sys

import pytest

from rightsized.apps.triage.actions.imap import open_imap_desk
from rightsized.apps.triage.inbox import open_source
from rightsized.core.egress import Egress
from rightsized.core.errors import MissingExtraError
from tests.apps.triage.imap.mailboxes import Memory


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wire", "session", "reader", "desk", "finding", "troubles"):  # what imports it, directly or not
        monkeypatch.delitem(sys.modules, f"rightsized.apps.triage.imap.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "imapclient", None)
    options = {"password_env": "X"}
    with pytest.raises(MissingExtraError, match=r"rightsized\[triage\]"):
        open_source("imaps://a@mail.example", options, Memory().context())
    with pytest.raises(MissingExtraError, match=r"rightsized\[triage\]"):
        open_imap_desk({"address": "imaps://a@mail.example", **options}, Egress())
