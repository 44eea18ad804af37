"""The planner beside published sizes, beside what llama.cpp reports, and beside what a process takes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gguf_files import TINYLLAMA, hollow_gguf

from rightsized.core.errors import InputError, IntegrityError, NotFoundError
from rightsized.store.gguf_recipes import RECIPES
from rightsized.store.planner import RUNTIME, open_blueprint, parse_size, plan
from rightsized.store.planner_blueprint import Blueprint
from rightsized.store.planner_bytes import cache_bytes, compute_bytes, weight_bytes
from rightsized.store.planner_checkpoint import from_config

HERE = Path(__file__).parent
PUBLISHED = json.loads((HERE / "published_models.json").read_text("utf-8"))["models"]
MIB = 2**20
# Shapes of true models with fewer layers, so that the attention cache stays small.
SHAPES: dict[str, dict[str, Any]] = {
    "tinyllama": TINYLLAMA,
    "mixtral": PUBLISHED["mixtral-8x7b-v0.1"]["config"] | {"num_hidden_layers": 2},
    "phi-2": PUBLISHED["phi-2"]["config"] | {"num_hidden_layers": 4},
    "gemma-2b": PUBLISHED["gemma-2b"]["config"] | {"num_hidden_layers": 4},
    "llama-2": PUBLISHED["llama-2-7b"]["config"] | {"num_hidden_layers": 2},
    "starcoder2": {
        "model_type": "starcoder2",
        "hidden_size": 3072,
        "intermediate_size": 12288,
        "num_attention_heads": 24,
        "num_key_value_heads": 2,
        "num_hidden_layers": 2,
        "vocab_size": 49152,
        "max_position_embeddings": 16384,
    },
    "starcoder": {"model_type": "gpt_bigcode", "n_embd": 2048, "n_inner": 8192, "n_head": 16, "n_layer": 2}
    | {"vocab_size": 49152, "n_positions": 8192},
    "qwen2": {"model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864, "num_attention_heads": 14}
    | {"num_key_value_heads": 2, "num_hidden_layers": 4, "vocab_size": 151936, "tie_word_embeddings": True}
    | {"max_position_embeddings": 32768},
    "qwen3-moe": {"model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "head_dim": 128}
    | {"moe_intermediate_size": 768, "num_attention_heads": 32, "num_key_value_heads": 4, "num_hidden_layers": 2}
    | {"num_experts": 128, "num_experts_per_tok": 8, "vocab_size": 151936, "max_position_embeddings": 32768},
    "gemma3-1b": {"model_type": "gemma3_text", "hidden_size": 1152, "intermediate_size": 6912, "head_dim": 256}
    | {"num_attention_heads": 4, "num_key_value_heads": 1, "num_hidden_layers": 12, "vocab_size": 262144}
    | {"max_position_embeddings": 32768, "sliding_window": 512},
    "phi3": {"model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_attention_heads": 32}
    | {"num_hidden_layers": 2, "vocab_size": 32064, "max_position_embeddings": 4096},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes(name: str) -> None:
    published = PUBLISHED[name]
    blueprint = from_config(published["config"])
    assert blueprint.parameters == published["parameters"]
    for quantisation, gigabytes in published["gigabytes"].items():
        # The published figure has two decimals, and counts the vocabulary, which is a few megabytes.
        allowed = 0.005 * gigabytes + 0.005
        assert weight_bytes(blueprint, quantisation) / 1e9 == pytest.approx(gigabytes, abs=allowed), quantisation


@pytest.mark.parametrize("flash", [True, False], ids=["flash", "plain"])
@pytest.mark.parametrize("name", SHAPES)
def test_what_llama_cpp_reports(name: str, flash: bool, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.gguf"
    context = 4096
    hollow_gguf(path, SHAPES[name], "Q4_K_M")
    blueprint = open_blueprint(path)
    said, _ = _load(path, context, flash)
    model, cache, compute, output = (_reported(said, what) for what in ("model", "KV", "compute", "output"))
    weights = plan(blueprint, model=name, memory=10**12, context=context).alternatives[0].weights
    assert weights == pytest.approx(model, abs=0.02 * MIB)
    assert cache_bytes(blueprint, context) == pytest.approx(cache, abs=0.02 * MIB)
    planned = compute_bytes(blueprint, context, flash_attention=flash)
    if flash:
        assert planned == pytest.approx(compute + output, rel=0.02, abs=0.5 * MIB)
    else:  # hardly too little, and too much by little
        assert 0.98 < planned / (compute + output) < 1.08


def test_what_a_process_takes(tmp_path: Path) -> None:
    path = tmp_path / "tinyllama.gguf"
    hollow_gguf(path, TINYLLAMA, "Q4_K_M")
    found = plan(open_blueprint(path), model="tinyllama", memory=2 * 10**9, context=2048).choice
    assert found is not None
    _, process = _load(path, 2048, False)
    # Loaded and idle: the weights are mapped and the cache is cleared, the working memory is not yet touched, and this
    # file has no vocabulary.
    expected = found.weights + found.cache + RUNTIME
    assert expected == pytest.approx(process["rss"], rel=0.05)


def test_the_most_precise_that_fits_is_chosen() -> None:
    mistral = from_config(PUBLISHED["mistral-7b-v0.1"]["config"])
    chosen = {
        size: plan(mistral, model="m", memory=parse_size(size), context=4096, flash_attention=True).choice
        for size in ("16GB", "9GB", "7GB", "6GB", "5.5GB", "5GB", "4GB")
    }
    names = {size: fit.quantisation if fit else None for size, fit in chosen.items()}
    assert names == {
        "16GB": "BF16",
        "9GB": "Q8_0",
        "7GB": "Q6_K",
        "6GB": "Q5_K_M",
        "5.5GB": "Q4_K_M",
        "5GB": "Q4_0",
        "4GB": None,
    }


def test_the_longest_context_is_where_it_stops_fitting() -> None:
    llama = from_config(PUBLISHED["llama-2-7b"]["config"])
    memory = parse_size("5GB")
    fits = {fit.quantisation: fit for fit in plan(llama, model="m", memory=memory, context=256).alternatives}
    longest = fits["Q4_K_M"].longest
    assert 256 < longest < 4096
    at = {n: plan(llama, model="m", memory=memory, context=n).alternatives for n in (longest, longest + 256)}
    assert [next(f for f in at[n] if f.quantisation == "Q4_K_M").fits for n in at] == [True, False]


def test_advice_where_nothing_fits() -> None:
    llama = from_config(PUBLISHED["llama-2-7b"]["config"])
    found = plan(llama, model="m", memory=parse_size("5GB"), context=4096)
    assert found.choice is None
    longest = found.alternatives[-1].longest
    assert any(f"--context {longest}" in line for line in found.advice)
    assert plan(llama, model="m", memory=parse_size("5GB"), context=longest).choice is not None
    closer = plan(llama, model="m", memory=parse_size("5.3GB"), context=4096)
    assert any("--cache-type q8_0" in line for line in closer.advice)
    assert plan(llama, model="m", memory=parse_size("5.3GB"), context=4096, cache_type="q8_0").choice is not None
    tiny = plan(llama, model="m", memory=parse_size("1GB"), context=512)
    assert any("take a smaller model" in line for line in tiny.advice)


def test_grouped_heads_and_windows_shrink_the_cache() -> None:
    llama, mistral = (from_config(PUBLISHED[n]["config"]) for n in ("llama-2-7b", "mistral-7b-v0.1"))
    assert cache_bytes(llama, 4096) == 2048 * MIB
    assert cache_bytes(mistral, 4096) == 512 * MIB
    gemma3 = from_config(SHAPES["gemma3-1b"])
    assert cache_bytes(gemma3, 32768) == (2 * 32768 + 10 * 1024) * 512 * 2


def test_every_conversation_has_a_cache_of_its_own() -> None:
    llama = from_config(PUBLISHED["llama-2-7b"]["config"])
    one, four = (plan(llama, model="m", memory=10**11, context=1024, slots=n).alternatives[0] for n in (1, 4))
    assert four.total - one.total == 3 * 512 * MIB
    tight = plan(llama, model="m", memory=5 * 10**9, context=1024, slots=4)
    assert any("--slots 1" in line for line in tight.advice)


def test_a_context_beyond_training_is_said(tmp_path: Path) -> None:
    found = plan(from_config(TINYLLAMA), model="m", memory=10**10, context=8192)
    assert found.choice is not None
    assert any("trained for 2048 tokens" in line for line in found.advice)


def test_a_folder_of_safetensors_decides_over_its_config(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    config = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4}
    config |= {"num_hidden_layers": 1, "vocab_size": 128, "max_position_embeddings": 64, "tie_word_embeddings": False}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    save_file({"model.embed_tokens.weight": np.zeros((128, 64), np.float16)}, tmp_path / "model.safetensors")
    blueprint = open_blueprint(tmp_path)
    assert blueprint.stored == "F16"
    assert "output.weight" not in [tensor.name for tensor in blueprint.tensors]
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="cut short by 1 bytes"):
        open_blueprint(tmp_path)


def test_a_second_copy_of_the_weights_is_not_counted(tmp_path: Path) -> None:
    """Mistral's repositories hold all tensors again, in a layout and under names of their own."""
    import numpy as np
    from safetensors.numpy import save_file

    config = {"model_type": "novel", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": 256}), "utf-8")
    save_file({"a.weight": np.zeros((256, 64), np.float16)}, tmp_path / "model.safetensors")
    once = open_blueprint(tmp_path)
    save_file({"other.weight": np.zeros((256, 64), np.float16)}, tmp_path / "consolidated.safetensors")
    assert open_blueprint(tmp_path) == once
    (tmp_path / "model.safetensors").unlink()
    assert [tensor.name for tensor in open_blueprint(tmp_path).tensors] == ["other.weight"]


def test_a_checkpoint_packed_by_a_method_of_its_own_is_planned_as_it_is_unpacked(tmp_path: Path) -> None:
    """GPTQ and its kin store 32-bit integers; the converter makes floats of them."""
    import numpy as np
    from safetensors.numpy import save_file

    (tmp_path / "config.json").write_text(json.dumps(TINYLLAMA | {"torch_dtype": "float16"}), "utf-8")
    save_file({"model.layers.0.mlp.up_proj.qweight": np.zeros((64, 64), np.int32)}, tmp_path / "model.safetensors")
    found = plan(open_blueprint(tmp_path), model="m", memory=10**9, context=2048)
    assert found.stored == "F16"
    assert found.choice is not None
    assert found.choice.quantisation == "Q4_K_M"


def test_a_model_that_reads_images_is_planned_from_its_text_part() -> None:
    """Published `config.json` files of Gemma 3 leave out what transformers assumes."""
    text = {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34}
    gemma = from_config(
        {"model_type": "gemma3", "text_config": text | {"sliding_window": 1024}, "torch_dtype": "bfloat16"}
    )
    assert gemma.parameters == pytest.approx(3.88e9, rel=0.002)  # the language model of Gemma 3 4B
    assert (gemma.heads, gemma.key_heads[0], gemma.context, gemma.stored) == (8, 4, 131072, "BF16")
    assert sum(gemma.window_layers) == 29


def test_an_unknown_family_is_counted_from_its_files(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    config = {"model_type": "novel", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": 256}), "utf-8")
    with pytest.raises(InputError, match="'novel' cannot be planned"):
        open_blueprint(tmp_path)
    save_file({"a.weight": np.zeros((256, 64), np.float16), "b": np.zeros(64, np.float32)}, tmp_path / "m.safetensors")
    found = plan(open_blueprint(tmp_path), model="m", memory=10**9, context=256)
    assert found.parameters == 256 * 64 + 64
    assert {f.quantisation: f.weights for f in found.alternatives}["Q8_0"] == 256 * 64 * 34 // 32 + 64 * 4
    assert any("not known here" in line for line in found.advice)


@pytest.mark.parametrize("text", ["", "2", "x GB", "-1GB", "0GB", "2 PB"])
def test_amounts_that_are_none(text: str) -> None:
    if text == "2":
        assert parse_size(text) == 2
        return
    with pytest.raises(InputError, match="no amount of memory"):
        parse_size(text)


def test_what_cannot_be_planned(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        open_blueprint(tmp_path / "absent")
    with pytest.raises(NotFoundError, match="config"):
        open_blueprint(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', "utf-8")
    with pytest.raises(InputError, match="hidden_size"):
        open_blueprint(tmp_path)
    with pytest.raises(InputError, match="cache type"):
        plan(from_config(TINYLLAMA), model="m", memory=1, cache_type="f64")


def test_every_recipe_has_a_size() -> None:
    blueprint: Blueprint = from_config(TINYLLAMA)
    sizes = [weight_bytes(blueprint, recipe) for recipe in RECIPES]
    assert sizes[0] == 4 * blueprint.parameters
    assert sizes == sorted(sizes, reverse=True)


def _load(path: Path, context: int, flash: bool) -> tuple[str, dict[str, int]]:
    """What llama.cpp said and what its process took."""
    pytest.importorskip("xllamacpp")
    command = [sys.executable, str(HERE / "planner_worker.py"), str(path), str(context)]
    command.append("ENABLED" if flash else "DISABLED")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=250)
    answer = next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{"))
    return done.stdout + done.stderr, json.loads(answer)


def _reported(said: str, what: str) -> float:
    """Bytes of one kind of buffer, summed over what llama.cpp reports in MiB."""
    found = re.findall(rf"{what} buffer size =\s+([\d.]+) MiB", said)
    assert found, f"llama.cpp said nothing of its {what} buffer"
    return sum(map(float, found)) * MIB
