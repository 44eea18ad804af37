"""Every settings file of the guide can be opened as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from upstream import certificate

from rightsized.core.config import load
from rightsized.core.egress import Egress
from rightsized.core.tiers import EngineContext
from rightsized.engines.remote import open_engine
from rightsized.engines.remote.presets import PRESETS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "put-a-model-server-below.md"
FILES = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)


@pytest.mark.parametrize("text", FILES, ids=[re.findall(r'preset = "(\w+)"', text)[-1] for text in FILES])
def test_settings_of_the_guide(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in re.findall(r'key_env = "(\w+)"', text):
        monkeypatch.setenv(variable, "sk-any")
    Path("vllm.key").write_text("sk-any")
    certificate(tmp_path, "company").rename("company-ca.pem")
    (tmp_path / "rightsized.toml").write_text(text, "utf-8")
    config = load(tmp_path / "rightsized.toml", environment={})
    egress = Egress(frozenset(config.egress.allow))
    assert config.tiers
    for tier in config.tiers:
        generator = open_engine(tier, EngineContext(egress, str(tmp_path)))
        egress.require(re.split(r"[/:]+", tier.url)[1], "the guide")
        assert generator.on_premises or tier.data_classes, "a tier that nothing may be sent to"


def test_every_kind_of_server_is_in_the_guide() -> None:
    text = PAGE.read_text("utf-8")
    assert [name for name in PRESETS if f'preset = "{name}"' not in text] == []
