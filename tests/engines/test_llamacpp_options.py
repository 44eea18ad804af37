"""Which file a tier means, which options it takes, and what its digest covers."""

from __future__ import annotations

import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, IntegrityError, MissingExtraError, NotFoundError
from rightsized.core.registry import resolve
from rightsized.core.tiers import EngineContext, TierConfig
from rightsized.engines.llamacpp import generator
from rightsized.engines.llamacpp.generator import LlamaCppGenerator
from rightsized.store import cards
from rightsized.store.cards import Card, Variant
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from tests.engines.tiny_gguf import folder, model, write_adapter


def opened(place: str | None = None, home: Path | str = "", **settings: Any) -> LlamaCppGenerator:
    tier = TierConfig(name="small", engine="llamacpp", model=str(model()) if place is None else place, **settings)
    engine: LlamaCppGenerator = resolve("rightsized.engines", "llamacpp")(tier, EngineContext(Egress(), str(home)))
    return engine


def install(home: Path, files: dict[str, Path], **card: Any) -> Card:
    store = ModelStore(Home(home))
    with store.staging("tiny") as staged:
        for name, source in files.items():
            (staged / name).write_bytes(source.read_bytes())
        facts = cards.describe_folder(staged)
        made = Card(
            name="tiny",
            digest=cards.digest_files(facts),
            engine="llamacpp",
            architecture="llama",
            family="llama",
            parameters=1,
            size_bytes=1,
            context=512,
            dimension=64,
            languages=(),
            licence="",
            source="local:x",
            origin="0",
            files=facts,
            created=time.time(),
            **card,
        )
        return store.install(staged, made)


def test_a_model_is_found_by_path_by_name_and_by_variant(tmp_path: Path) -> None:
    other = model(seed=9)
    variants = {"F32": Variant("a.gguf"), "Q8_0": Variant("b.gguf")}
    install(tmp_path, {"a.gguf": model(), "b.gguf": other}, variants=variants, default_variant="Q8_0")
    by_path = opened(str(other))
    assert opened("tiny", tmp_path).digest == by_path.digest
    assert opened("tiny:Q8_0", tmp_path).digest == by_path.digest
    assert opened("tiny:F32", tmp_path).digest == opened(str(model())).digest != by_path.digest
    with pytest.raises(NotFoundError, match="no variant 'Q2_K'") as caught:
        opened("tiny:Q2_K", tmp_path)
    assert "F32, Q8_0" in caught.value.fix


def test_the_only_gguf_file_of_a_model_needs_no_variant(tmp_path: Path) -> None:
    install(tmp_path, {"weights.gguf": model()})
    assert opened("tiny", tmp_path).context == 512


def test_a_model_that_is_not_there_or_no_gguf_file(tmp_path: Path) -> None:
    install(tmp_path, {"model.safetensors": model()})
    with pytest.raises(NotFoundError, match="no GGUF file") as caught:
        opened("tiny", tmp_path)
    assert "models convert" in caught.value.fix
    with pytest.raises(NotFoundError, match="not installed"):
        opened("absent", tmp_path)
    with pytest.raises(NotFoundError, match="There is no model file"):
        opened(str(tmp_path / "absent.gguf"))
    (tmp_path / "text.gguf").write_text("no model at all, only words", "utf-8")
    with pytest.raises(IntegrityError, match="not a GGUF file"):
        opened(str(tmp_path / "text.gguf"))
    with pytest.raises(ConfigError, match="names no model"):
        opened("")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"thread": 2}, "thread"),
        ({"threads": -1}, "threads = -1"),
        ({"threads": "two"}, "threads"),
        ({"batch": 0}, "batch = 0"),
        ({"memory_mb": 0}, "memory_mb = 0"),
        ({"slots": 2, "isolated": True}, "slots = 2"),
        ({"adapter": "tone"}, "adapter = 'tone'"),
        ({"cache_type": "q3"}, "cache_type"),
        ({"pooling": "rank"}, "pooling"),
        ({"cache_type": "q8_0"}, "needs flash_attention"),
    ],
    ids=str,
)
def test_wrong_options_name_themselves(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        opened(options=options)
    assert "'small'" in str(caught.value)


def test_a_context_that_the_model_was_not_made_for_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than the 512 tokens"):
        opened(context=4096)
    assert opened(context=300).context == 512  # llama.cpp rounds up to 256
    assert opened(context=256).context == 256
    short = model(context=300)
    assert opened(str(short)).context == 300  # rounded up, but llama.cpp reads no more than was trained


def test_the_digest_covers_what_an_answer_depends_on() -> None:
    tone, law = write_adapter(folder() / "tone.gguf"), write_adapter(folder() / "law.gguf", seed=8)
    digests = [
        opened().digest,
        opened(str(model(seed=9))).digest,
        opened(options={"adapters": {"a": str(tone)}}).digest,
        opened(options={"adapters": {"a": str(law)}}).digest,
        opened(options={"adapters": {"b": str(law)}}).digest,
        opened(options={"isolated": True}).digest,
        opened(options={"cache_type": "q8_0", "flash_attention": True}).digest,
        opened(options={"flash_attention": True}).digest,
        opened(options={"sampling": {"temperature": 0}}).digest,
    ]
    assert len(set(digests)) == len(digests)
    assert all(digest.startswith("sha256:") for digest in digests)
    assert opened(options={"threads": 3, "memory_mb": 900, "slots": 2}).digest == digests[0]
    ordered = [opened(options={"sampling": dict(pairs)}).digest for pairs in _both_orders()]
    assert ordered[0] == ordered[1]


def _both_orders() -> list[list[tuple[str, float]]]:
    pairs = [("temperature", 0.5), ("top_p", 0.9)]
    return [pairs, pairs[::-1]]


def test_another_runtime_is_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    now = opened().digest
    monkeypatch.setattr(generator, "version", lambda name: "0.0." + metadata.version(name))
    assert opened().digest != now


def test_without_the_runtime_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        opened()
    assert "rightsized[slm]" in caught.value.fix


def test_before_the_start_it_is_not_ready() -> None:
    engine = opened()
    assert (engine.status().ready, engine.status().detail) == (False, "not started")
    assert engine.on_premises
    assert engine.operations == frozenset(("chat", "completions"))
