"""What is found in a request raises its class, is on record without a value, and closes where the detector fails."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rightsized.core.config import Config, load
from rightsized.core.errors import ForbiddenError
from rightsized.core.generation import Caller, Generation
from rightsized.core.pii import Finding, Findings, PiiConfig
from rightsized.core.types import Request
from rightsized.guard.pii.detector import PiiDetector
from rightsized.guard.policy.store import PolicyStore
from rightsized.ledger.log import SqliteLedger
from rightsized.tasks.detection import Detection, texts_of
from rightsized.tasks.gateway import LocalGateway
from rightsized.tasks.policies import open_policy

CARD = "My card is 4111 1111 1111 1111, thank you."
TIERS = """
[[tiers]]
name = "small"
engine = "fake"

[[tiers]]
name = "cloud"
tier = 1
url = "https://api.example.com/v1"
model = "m"
data_classes = ["public", "internal"]

[egress]
allow = ["api.example.com"]

[gateway]
data_class = "internal"
"""


class Counting:
    """A detector that notes what it was asked."""

    digest = "sha256:1"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._inner = PiiDetector(PiiConfig(off=("tagger",)))

    def detect(self, text: str) -> Findings:
        self.asked.append(text)
        return self._inner.detect(text)


class Broken:
    digest = "sha256:2"

    def detect(self, text: str) -> Findings:
        raise ZeroDivisionError(text)


def settings(tmp_path: Path, detect: str, toml: str = TIERS) -> Config:
    (tmp_path / "rightsized.toml").write_text(f'[guard]\ndetect = "{detect}"\n{toml}')
    return load(tmp_path / "rightsized.toml", environment={}, flags={"home": str(tmp_path)})


def chat(content: Any, **more: Any) -> Generation:
    return Generation("chat", {"messages": [{"role": "user", "content": content}]}, **more)


def looked(config: Config, request: Request, detector: Any) -> Request:
    return asyncio.run(Detection(config, open_policy(config), detector).look(request))


def about(content: Any, **more: Any) -> Request:
    return Request("chat", "", generation=chat(content, **more))


def test_off_looks_at_nothing(tmp_path: Path) -> None:
    detector = Counting()
    request = about(CARD, data_class="internal")
    assert looked(settings(tmp_path, "off"), request, detector) is request
    assert detector.asked == []


def test_findings_raise_the_class_and_leave_no_value(tmp_path: Path) -> None:
    found = looked(settings(tmp_path, "always"), about(CARD, data_class="public"), Counting())
    assert found.generation is not None
    assert found.generation.data_class not in ("public", "internal")
    assert found.detected is not None
    assert found.detected.counts == {"payment_card": 1}
    assert "4111" not in msgspec.json.encode(found.detected).decode()


def test_nothing_found_leaves_what_was_declared(tmp_path: Path) -> None:
    for declared in ("public", "health"):
        found = looked(settings(tmp_path, "always"), about("hello", data_class=declared), Counting())
        assert found.held == declared
        assert found.detected is not None
        assert found.detected.counts == {}


def test_findings_never_lower_a_class(tmp_path: Path) -> None:
    assert looked(settings(tmp_path, "always"), about(CARD, data_class="secret"), Counting()).held == "secret"


@pytest.mark.parametrize("content", [CARD, [{"type": "text", "text": CARD}], [{"type": "image_url", "image_url": {}}]])
def test_what_fails_or_cannot_be_read_is_the_most_restrictive(tmp_path: Path, content: Any) -> None:
    detector = Counting() if isinstance(content, list) and content[0]["type"] != "text" else Broken()
    found = looked(settings(tmp_path, "always"), about(content, data_class="public"), detector)
    assert found.held == "secret"
    assert found.detected is not None
    assert found.detected.failures in (("detector: ZeroDivisionError",), ("content: image_url is not read",))
    assert "4111" not in repr(found.detected)


def test_auto_looks_only_where_it_matters(tmp_path: Path) -> None:
    detector = Counting()
    config = settings(tmp_path, "auto")
    assert looked(config, about(CARD, data_class="secret"), detector).detected is None  # cannot be raised
    assert looked(config, about(CARD, data_class="health"), detector).detected is None  # no tier away takes it
    assert looked(config, about(CARD, data_class="internal"), detector).detected is not None
    alone = settings(tmp_path, "auto", '[[tiers]]\nname = "small"\nengine = "fake"\n')
    assert looked(alone, about(CARD, data_class="public"), detector).detected is None  # nothing leaves
    (tmp_path / "policy.toml").write_text("version = 1\n")
    assert looked(alone, about(CARD, data_class="public"), detector).detected is not None  # rules may ask


def test_a_request_to_a_task(tmp_path: Path) -> None:
    found = looked(settings(tmp_path, "always"), Request("support", CARD), Counting())
    assert found.data_class == found.held
    assert found.data_class is not None
    assert looked(settings(tmp_path, "always"), Request("support", "hello"), Counting()).data_class is None


def test_every_text_of_a_body_is_read() -> None:
    failures: list[str] = []
    body = {
        "messages": [
            {"role": "system", "content": "a"},
            {"role": "assistant", "tool_calls": [{"function": {"name": "b", "arguments": '{"c": "d"}'}}]},
            {"role": "tool", "content": [{"type": "text", "text": "e"}]},
        ],
        "metadata": {"f g": 4111111111111111, "on": True},
        "tools": [{"function": {"parameters": {"type": "object", "properties": {"file": {"type": "string"}}}}}],
    }
    found = list(texts_of(body, failures))
    assert {"a", "b", '{"c": "d"}', "e", "f g", "4111111111111111"} <= set(found)
    assert failures == []
    assert list(texts_of({"type": "file", "file": {"file_data": "x"}}, failures)) == []
    assert failures == ["content: file is not read"]
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    assert list(texts_of(deep, failures)) == []
    assert failures[-1] == "content: nested too deep"


def test_the_class_found_is_on_record_and_binds(tmp_path: Path) -> None:
    config = settings(tmp_path, "always")

    async def main() -> None:
        with SqliteLedger(tmp_path / "decisions.sqlite") as ledger:
            gateway = LocalGateway(config, ledger)
            gateway._detection = Detection(config, PolicyStore(tmp_path / "none.toml"), Counting())
            with pytest.raises(ForbiddenError, match="cloud") as caught:
                await gateway.generate(chat(CARD, model="cloud", data_class="public"), Caller())
            decision = ledger.get(caught.value.decision)
            assert decision is not None
            assert decision.data_class not in (None, "public", "internal")
            assert decision.detected is not None
            assert decision.detected.counts == {"payment_card": 1}
            await gateway.close()

    asyncio.run(main())


def test_findings_hold_places_and_no_text() -> None:
    assert Finding.__struct_fields__ == ("start", "end", "type", "score", "source")
