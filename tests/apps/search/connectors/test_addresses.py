from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rightsized.apps.search.connectors.addresses import FILE, Addresses
from rightsized.apps.search.connectors.listing import Addressed, open_connector
from rightsized.core.egress import Egress
from rightsized.core.errors import StoreError


def bucket(**options: str) -> Addressed:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return open_connector(f"s3://docs/policies?endpoint=http://127.0.0.1:9&{query}", Egress())


def test_options_of_a_bucket_are_no_part_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keys = tmp_path / "keys"
    keys.write_text("[default]\naws_access_key_id = A\naws_secret_access_key = hidden\n")
    keys.chmod(0o600)
    before, after = bucket(keys="keys", allow="everyone"), bucket(keys=str(keys), allow="group:legal", region="x")
    assert before.source == after.source == "s3://docs/policies/?endpoint=http://127.0.0.1:9"
    again = open_connector(after.address, Egress())
    assert (again.source, again.address) == (after.source, after.address)
    assert f"keys={keys}" in before.address.replace("%2F", "/"), "as it is found from any folder"
    assert "hidden" not in after.address


def test_the_last_address_is_remembered(tmp_path: Path) -> None:
    known = Addresses(tmp_path)
    assert known.of("folder:/srv") == "folder:/srv"
    known.note("folder:/srv", "folder:/srv")
    assert not (tmp_path / FILE).exists()
    known.note("s3://a/", "s3://a/?allow=everyone")
    known.note("s3://b/", "s3://b/?allow=everyone")
    known.note("s3://a/", "s3://a/?allow=group:legal")
    assert (known.of("s3://a/"), known.of("s3://b/")) == ("s3://a/?allow=group:legal", "s3://b/?allow=everyone")
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    known.note("s3://a/", "s3://a/")
    assert known.of("s3://a/") == "s3://a/"


def test_a_file_that_is_broken_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("[1]")
    with pytest.raises(StoreError, match=r"addresses\.json cannot be read"):
        Addresses(tmp_path).of("folder:/srv")
