"""A production is whole or not there; families stay together; what is privileged goes out by no path."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from discovery_samples import STEPS, mail
from production_case import ROOT, Case, handed_over

from rightsized.apps.search.discovery import layout
from rightsized.apps.search.discovery.loadfile import read_csv
from rightsized.apps.search.discovery.records import Asker, Criterion
from rightsized.apps.search.discovery.review import Review, gathered
from rightsized.apps.search.discovery.verifying import verify
from rightsized.apps.search.sync.run import sync
from rightsized.core.errors import BusyError, InputError, IntegrityError, StoreError
from rightsized.store import atomic

KILLS = 6
SECRET = b"Our case about the steel is weak"


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    found = Case(tmp_path / "home")
    yield found
    found.close()


def test_what_goes_out_can_be_read_back(case: Case, tmp_path: Path) -> None:
    found = case.export(tmp_path / "out", shown_tags=("responsive",))
    by_key = {row["FILEPATH"]: row for row in found}
    mail, memo, offer = (by_key[f"offer.eml{inside}"] for inside in ("", "!/memo.txt", "!/offer.txt"))
    assert {one["BEGATTACH"] for one in (mail, memo, offer)} == {mail["BEGDOC"]}
    assert {one["ENDATTACH"] for one in (mail, memo, offer)} == {offer["BEGDOC"]}
    assert [mail["PARENTID"], memo["PARENTID"]] == ["", mail["BEGDOC"]]
    assert mail["SUBJECT"] == "Offer of steel"
    assert mail["TAGS"] == "responsive"  # what else reviewers think is theirs
    native = (tmp_path / "out" / layout.THEIRS / mail["NATIVELINK"]).read_bytes()
    assert native == case.source.files["offer.eml"][0]
    text = (tmp_path / "out" / layout.THEIRS / by_key["order.txt"]["TEXTLINK"]).read_text()
    assert "We order forty tonnes" in text
    assert verify(tmp_path / "out").documents == len(found) == 7
    log = read_csv((tmp_path / "out" / layout.OURS / layout.ACCESS_LOG).read_bytes())[1]
    assert [one["BEGDOC"] for one in log if one["ACTION"] == "produced"] == [row["BEGDOC"] for row in found]


def test_a_copy_of_what_is_privileged_stops_the_production(case: Case, tmp_path: Path) -> None:
    case.privileged("advice.eml")
    assert [(one.kind, one.key) for one in case.planned().conflicts] == [("copy", "copies/advice.eml")]
    with pytest.raises(InputError, match="which is privileged"):
        case.export(tmp_path / "out")
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]


def test_what_is_privileged_is_withheld_and_logged(case: Case, tmp_path: Path) -> None:
    case.privileged("advice.eml", "copies/advice.eml")
    found = case.export(tmp_path / "out")
    assert [row["BEGDOC"] for row in found if row["WITHHELD"]] == ["RS0000001", "RS0000002"]
    assert {name: value for name, value in found[0].items() if value} == {
        "BEGDOC": "RS0000001",
        "ENDDOC": "RS0000001",
        "BEGATTACH": "RS0000001",
        "ENDATTACH": "RS0000001",
        "FILETYPE": "message/rfc822",
        "WITHHELD": "privileged",
        "NATIVENOTE": "withheld as privileged",
        "TEXTLINK": "TEXT/0001/RS0000001.txt",
    }
    given = handed_over(tmp_path / "out")
    for hidden in (
        SECRET,
        b"Advice on steel",
        b"advice.eml",
        case.review.documents[case.review.resolve("advice.eml")].content.encode(),
    ):
        assert hidden not in given
    assert b"advice of counsel" in given  # the basis
    privileged = read_csv((tmp_path / "out" / layout.THEIRS / layout.PRIVILEGE_LOG).read_bytes())[1]
    assert privileged[0]["DATE"] == "2026-01-09T16:31:00Z"


def test_a_privileged_attachment_does_not_go_out_inside_its_mail(case: Case, tmp_path: Path) -> None:
    case.privileged("offer.eml!/memo.txt")
    assert {(one.kind, one.key) for one in case.planned().conflicts} == {
        ("family", "offer.eml"),
        ("family", "offer.eml!/offer.txt"),
    }
    found = {row["FILEPATH"]: row for row in case.export(tmp_path / "out", allowed=("family",))}
    assert found["offer.eml"]["NATIVELINK"] == ""
    assert found["offer.eml"]["NATIVENOTE"] == "holds a document that is withheld"
    assert found["offer.eml!/offer.txt"]["NATIVELINK"]
    assert b"Counsel wrote" not in handed_over(tmp_path / "out")


def test_an_attachment_does_not_tell_the_name_of_a_withheld_mail(case: Case, tmp_path: Path) -> None:
    case.privileged("offer.eml")
    found = case.export(tmp_path / "out", allowed=("family",))
    mail = next(row for row in found if row["WITHHELD"])
    assert [row["FILEPATH"] for row in found if row["PARENTID"] == mail["BEGDOC"]] == [
        f"{mail['BEGDOC']}!/memo.txt",
        f"{mail['BEGDOC']}!/offer.txt",
    ]
    assert b"offer.eml" not in handed_over(tmp_path / "out")
    assert b"Offer of steel" not in handed_over(tmp_path / "out")


def test_privilege_holds_across_sets_and_for_whom_may_not_see_it(case: Case, tmp_path: Path) -> None:
    view = case.collection.view(ROOT.principals)
    found = asyncio.run(gathered(view, [Criterion("terms", "steel")], case.collection.encoder, True))
    case.store.create("other", ROOT, "", found)
    Review(case.store, view, "other", ROOT).tag(["advice.eml"], ["privileged"])
    assert {(one.kind, one.key) for one in case.planned().conflicts} == {
        ("elsewhere", "advice.eml"),
        ("elsewhere", "copies/advice.eml"),
    }
    Review(case.store, view, "other", ROOT).tag(["advice.eml"], ["privileged"], off=True)
    assert case.planned().conflicts == []
    case.privileged("advice.eml")
    case.asker = Asker("bo", ("user:bo",))
    case.review = case.open()
    (conflict,) = case.planned().conflicts
    assert (conflict.kind, conflict.key) == ("elsewhere", "copies/advice.eml")
    assert "memo" not in conflict.why


def test_the_other_side_reads_the_load_file_with_a_reader_of_its_own(case: Case, tmp_path: Path) -> None:
    """By what the format says alone: þ around values, U+0014 between them, doubled þ inside, UTF-8 with a mark."""
    case.source.put("thorn.eml", mail("Steel of \u00feór \u00fe", "Steel.\n"))
    sync(case.collection, case.source, STEPS)
    case.collection.refresh()
    view = case.collection.view(ROOT.principals)
    found = asyncio.run(gathered(view, [Criterion("terms", "steel")], case.collection.encoder, True))
    case.store.add(case.review.set, ROOT, found)
    case.review = case.open()
    case.review.tag(["thorn.eml"], ["responsive"])
    case.privileged("order.txt")
    case.export(tmp_path / "out")
    theirs = tmp_path / "out" / layout.THEIRS
    text = (theirs / layout.DAT).read_bytes().decode("utf-8-sig")
    lines = [line for line in text.split("\r\n") if line]
    table = [[value.replace("þþ", "þ") for value in re.findall("þ((?:[^þ]|þþ)*)þ(?:\x14|$)", line)] for line in lines]
    assert {len(row) for row in table} == {len(layout.COLUMNS)}
    rows = [dict(zip(table[0], row, strict=True)) for row in table[1:]]
    assert "Steel of þór þ" in [row["SUBJECT"] for row in rows]
    for row in rows:
        assert (theirs / row["TEXTLINK"]).read_text("utf-8")
        if row["NATIVELINK"]:
            assert hashlib.sha256((theirs / row["NATIVELINK"]).read_bytes()).hexdigest() == row["SHA256"]
    (held,) = [row for row in rows if row["WITHHELD"]]
    hidden = {
        "CUSTODIAN",
        "FILEPATH",
        "FILENAME",
        "FILESIZE",
        "SHA256",
        "TITLE",
        "DATE",
        "SUBJECT",
        "NATIVELINK",
        "TAGS",
    }
    assert {held[name] for name in hidden} == {""}
    with (theirs / layout.CSV).open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.DictReader(file)) == rows


def test_a_family_is_produced_whole_but_not_unseen(case: Case, tmp_path: Path) -> None:
    case.review.tag(["offer.eml!/memo.txt"], ["responsive"], off=True)
    assert [(one.kind, one.key) for one in case.planned().conflicts] == [("unreviewed", "offer.eml!/memo.txt")]
    found = case.export(tmp_path / "out", allowed=("unreviewed",))
    assert "offer.eml!/memo.txt" in [row["FILEPATH"] for row in found]
    assert verify(tmp_path / "out").allowed == ("unreviewed",)


def test_a_changed_document_stops_the_production(case: Case, tmp_path: Path) -> None:
    case.source.put("order.txt", "Order\n\nWe order fifty tonnes of steel.", "group:legal")
    with pytest.raises(StoreError, match=r"order\.txt has changed"):  # in the source alone
        case.export(tmp_path / "out")
    sync(case.collection, case.source, STEPS)
    case.collection.refresh()
    case.review = case.open()
    assert [(one.kind, one.key) for one in case.planned().conflicts] == [("changed", "order.txt")]
    assert not (tmp_path / "out").exists()


def test_only_what_the_exporter_may_see_goes_out(case: Case, tmp_path: Path) -> None:
    case.asker = Asker("bo", ("user:bo",))
    case.review = case.open()
    assert [row["FILEPATH"] for row in case.export(tmp_path / "out")] == ["copies/advice.eml", "open.txt"]


def test_a_tag_given_meanwhile_stops_the_production(case: Case, tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "Reading back":
            case.privileged("order.txt")

    with pytest.raises(BusyError, match="Tags were changed"):
        case.export(tmp_path / "out", progress=interrupt)
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]


def test_what_is_there_is_never_written_over(case: Case, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="exists"):
        case.export(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("prefix", ["", "RS 1", "Ä", "../x", "a" * 21])
def test_numbers_that_cannot_be_file_names_are_refused(case: Case, prefix: str) -> None:
    with pytest.raises(InputError, match="prefix"):
        case.planned(prefix=prefix)


def test_every_fault_is_found(case: Case, tmp_path: Path) -> None:
    """One at a time: a file altered, removed, added; and faults that the manifest was made to agree with."""
    case.privileged("advice.eml", "copies/advice.eml")
    case.export(tmp_path / "out")
    verify(tmp_path / "out")
    faults = 0
    for path in sorted((tmp_path / "out").rglob("*")):
        if path.is_file():
            whole = path.read_bytes()
            for change in (whole[:-1], whole + b"x", None):
                path.unlink() if change is None else path.write_bytes(change)
                with pytest.raises(IntegrityError):
                    verify(tmp_path / "out")
                faults += 1
            path.write_bytes(whole)
    assert faults > 40
    (tmp_path / "out" / layout.THEIRS / "extra.txt").touch()
    with pytest.raises(IntegrityError, match=r"extra\.txt"):
        verify(tmp_path / "out")


def test_killed_it_leaves_nothing_that_looks_whole(case: Case, tmp_path: Path) -> None:
    draw, program = random.Random(3), Path(__file__).with_name("killed_export.py")
    whole = halves = 0
    for kill in range(KILLS):
        folder = tmp_path / f"killed-{kill}"
        command = [sys.executable, str(program), str(tmp_path / "home"), str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(1 + kill % 3):  # ready, and after so many exports
            assert process.stdout.readline()
        time.sleep(draw.uniform(0.01, 0.1))
        process.kill()
        process.communicate()
        left = sorted(folder.iterdir()) if folder.exists() else []
        for one in left:
            if one.name.startswith("."):
                halves += 1
                case.review = case.open()
                case.export(folder / one.name[1:].removesuffix(".partial"))  # takes the place of the half
                assert not one.exists()
            else:
                whole += 1
                verify(one)
    assert halves
    assert whole
    case.review.log()  # its chain holds


def test_a_full_disk_leaves_nothing(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "install_folder", full)
    with pytest.raises(StoreError, match="No space"):
        case.export(tmp_path / "out")
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]
