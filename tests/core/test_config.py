from __future__ import annotations

from pathlib import Path

import pytest

from rightsized.core.config import FILE_NAME, Config, keys, load, unknown_variables, variable
from rightsized.core.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / FILE_NAME
    path.write_text(text, "utf-8")
    return path


def test_flags_beat_environment_beats_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[server]\nport = 1\nhost = '127.0.0.2'\n[audit]\nrate = 0.5\n")
    config = load(
        path, environment={"RIGHTSIZED_SERVER_PORT": "2", "RIGHTSIZED_AUDIT_RATE": "0.25"}, flags={"server.port": 3}
    )
    assert (config.server.port, config.audit.rate, config.server.host) == (3, 0.25, "127.0.0.2")


def test_defaults_need_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(environment={})
    assert config.server == Config().server
    assert config.egress.allow == ()
    assert Path(config.home).is_absolute()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nprot = 1\n", "server.prot"),
        ("[server]\nport = 'x'\n", "server.port"),
        ("[server]\nport = 70000\n", "server.port"),
        ("[audit]\nrate = 1.5\n", "audit.rate"),
        ("colour = 1\n", "colour"),
    ],
)
def test_errors_name_the_key_and_the_file(tmp_path: Path, text: str, named: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, environment={})
    assert named in str(caught.value)
    assert str(path) in str(caught.value)


def test_errors_name_the_variable() -> None:
    with pytest.raises(ConfigError, match="RIGHTSIZED_SERVER_PORT"):
        load(environment={"RIGHTSIZED_SERVER_PORT": "many"})


def test_broken_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(write(tmp_path, "[server\n"))
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_lists_from_the_environment() -> None:
    assert load(environment={"RIGHTSIZED_EGRESS_ALLOW": "a.example, b.example"}).egress.allow == (
        "a.example",
        "b.example",
    )


def test_every_setting_has_a_variable() -> None:
    assert variable("server.port") == "RIGHTSIZED_SERVER_PORT"
    assert len({variable(key) for key in keys()}) == len(keys())


def test_errors_name_the_option() -> None:
    with pytest.raises(ConfigError, match="in --port must be between"):
        load(environment={}, flags={"server.port": 99999})


def test_an_empty_home_is_not_the_current_folder() -> None:
    with pytest.raises(ConfigError, match="home in the environment variable RIGHTSIZED_HOME is empty"):
        load(environment={"RIGHTSIZED_HOME": " "})


def test_mistyped_variables_are_found() -> None:
    found = unknown_variables(
        {"RIGHTSIZED_SEVER_PORT": "1", "RIGHTSIZED_DATA": "x", "RIGHTSIZED_HOME": "y", "PATH": ""}
    )
    assert found == {"RIGHTSIZED_SEVER_PORT": "RIGHTSIZED_SERVER_PORT", "RIGHTSIZED_DATA": ""}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gatway]\ndata_class = 'health'\n", "Did you mean gateway.data_class?"),
        ("[gateway]\ndata_class = 'x'\n", "it may be public, internal, personal, health, secret"),
        ("[tiers]\nname = 'x'\n", "[[tiers]]"),
        ("tiers = 3\n", "[[tiers]]"),
        ("[[tiers]]\nurl = 'http://127.0.0.1:1'\n", "Tier 1 in "),
        ("[[tiers]]\nname = 'a'\npric_in = 3\nheaders = { Authorization = 's3cret' }\n", "Did you mean price_in?"),
        (
            "[[tiers]]\nname = 'a'\ndata_classes = ['pubic']\nheaders = { Authorization = 's3cret' }\n",
            "data_classes of tier 'a' in ",
        ),
        ("[[tiers]]\nname = 'a'\nengine = 'llama.cpp'\n", "Engines: fake, llamacpp, remote"),
    ],
)
def test_errors_say_what_may_have_been_meant_and_quote_no_tier(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), environment={})
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)
