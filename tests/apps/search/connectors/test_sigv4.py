"""Signatures beside the examples that Amazon publishes, and where keys come from."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rightsized.apps.search.connectors.sigv4 import Credentials, find_credentials, signed
from rightsized.core.errors import ConfigError

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", SECRET)
HOST = "examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("path", "query", "headers", "signature"),
    [
        ("/test.txt", {}, {"Range": "bytes=0-9"}, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("/", {"lifecycle": ""}, {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/", {"max-keys": "2", "prefix": "J"}, {}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_published_examples(path: str, query: dict[str, str], headers: dict[str, str], signature: str) -> None:
    now = datetime(2013, 5, 24, tzinfo=UTC)
    sent = signed(EXAMPLE, "us-east-1", now, path, query, {"host": HOST, **headers})
    assert sent["authorization"].endswith(f"Signature={signature}")
    assert "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request" in sent["authorization"]


def test_a_session_token_is_signed_and_sent() -> None:
    now = datetime(2013, 5, 24, tzinfo=UTC)
    sent = signed(Credentials("A", "B", "token"), "r", now, "/", {}, {"host": HOST})
    assert sent["x-amz-security-token"] == "token"
    assert "x-amz-security-token" in sent["authorization"]


def test_keys_from_the_environment() -> None:
    found = find_credentials("", "", {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", "AWS_SESSION_TOKEN": "C"})
    assert (found.access, found.token) == ("A", "C")
    with pytest.raises(ConfigError, match="No keys"):
        find_credentials("", "", {"AWS_ACCESS_KEY_ID": "A"})


def test_keys_from_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("[default]\naws_access_key_id = A\naws_secret_access_key = B%\n[other]\naws_access_key_id = C\n")
    path.chmod(0o600)
    assert find_credentials(str(path), "", {}).access == "A"
    for profile in ("other", "absent"):
        with pytest.raises(ConfigError, match=rf"under \[{profile}\]"):
            find_credentials(str(path), profile, {})
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        find_credentials(str(path), "", {})
    path.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        find_credentials(str(path), "", {})


@pytest.mark.parametrize("text", ["B1secret", "[default\nB1secret", "[a]\nx\n[a]\nB1secret"])
def test_no_secret_in_any_message(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        find_credentials(str(path), "", {})
    assert "B1secret" not in str(caught.value)
    assert SECRET not in repr(EXAMPLE)
    assert SECRET not in str(vars(EXAMPLE).keys())
