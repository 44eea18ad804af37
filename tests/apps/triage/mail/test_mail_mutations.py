"""Damaged messages (`benchmarks/triage_mutations.py` reads 5,000): nothing but the documented error, and no broken
record."""

from __future__ import annotations

import pytest

from benchmarks.triage_mutations import _broken, complaint, mutations, seeds
from rightsized.apps.triage.mail import MailOptions, read_mail

TAKEN = 300


def test_damaged_messages() -> None:
    wrong = [said for data in mutations(TAKEN) if (said := complaint(data)[0]) and said != "too slow"]
    assert wrong == []


def test_the_check_sees_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    data = seeds()[0]
    mail = read_mail(data, MailOptions(language=False))
    assert complaint(data)[0] == _broken(mail, data) == ""
    assert _broken(type(mail)("k", "s", mail.body, mail.sender, thread="k"), data).startswith("text that is neither")
    monkeypatch.setattr("benchmarks.triage_mutations.parse", lambda *given, **named: 1 / 0)
    assert complaint(data)[0].startswith("ZeroDivisionError")


def test_mutations_are_the_same_each_time_and_all_different() -> None:
    assert list(mutations(20)) == list(mutations(20))
    assert len(set(mutations(50))) > 45
