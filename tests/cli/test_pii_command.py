"""`rightsized pii`: findings are masked unless asked for, and the class is told."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from rightsized.cli import main

TEXT = "Call Dr. Weiß on +44 20 7946 0958 or jane@example.org"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["pii", *arguments])
    return int(ended.value.code or 0), capsys.readouterr().out


@pytest.fixture
def letter(tmp_path: Path) -> str:
    path = tmp_path / "letter.txt"
    path.write_text(TEXT, "utf-8")
    return str(path)


def test_text_is_masked(capsys: pytest.CaptureFixture[str], letter: str, tmp_path: Path) -> None:
    status, out = run(capsys, "scan", letter, "--patterns-only", "--home", str(tmp_path))
    assert status == 0
    assert "class: personal" in out
    assert "Call Dr. [person] on [phone] or [email]" in out
    assert "jane@" not in out


def test_json_has_places_and_no_values_unless_asked(
    capsys: pytest.CaptureFixture[str], letter: str, tmp_path: Path
) -> None:
    common = ("scan", letter, "--patterns-only", "--json", "--home", str(tmp_path))
    found = json.loads(run(capsys, *common)[1])
    assert [TEXT[one["start"] : one["end"]] for one in found["found"]] == [
        "Weiß",
        "+44 20 7946 0958",
        "jane@example.org",
    ]
    assert "jane" not in json.dumps(found)
    revealed = json.loads(run(capsys, *common, "--reveal")[1])
    assert revealed["found"][2]["value"] == "jane@example.org"


def test_standard_input(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"password: hunter2!")))
    out = run(capsys, "scan", "-", "--patterns-only", "--json", "--home", str(tmp_path))[1]
    assert json.loads(out)["data_class"] == "secret"


def test_without_an_encoder_the_command_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], letter: str, tmp_path: Path
) -> None:
    status, out = run(capsys, "scan", letter, "--json", "--home", str(tmp_path / "empty"))
    assert status == 3
    assert "models pull minilm" in out


@pytest.mark.parametrize(("content", "status"), [(b"\xff\xfe\x00", 2), (None, 3)])
def test_what_cannot_be_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None, status: int
) -> None:
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    assert run(capsys, "scan", str(path), "--patterns-only", "--home", str(tmp_path))[0] == status


def test_types_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    listed = json.loads(run(capsys, "types", "--json", "--home", str(tmp_path))[1])
    classes = {one["type"]: one["data_class"] for one in listed}
    assert (classes["iban"], classes["health_term"], classes["api_key"], classes["place"]) == (
        "personal", "health", "secret", "internal",
    )  # fmt: skip
