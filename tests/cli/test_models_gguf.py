"""`models fit`, `pull` of a GGUF file, `quantize` and what `show` says, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rightsized.store.gguf import read_header
from rightsized.store.gguf_types import named
from rightsized.store.gguf_write import Planned, record, write_gguf
from tests.command_line import command

MISTRAL = {"model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32}
MISTRAL |= {"num_key_value_heads": 8, "num_hidden_layers": 32, "vocab_size": 32000, "max_position_embeddings": 32768}


def rightsized(home: Path, *arguments: str | Path, status: int = 0) -> str:
    done = command(*arguments, "--home", home)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 or "--json" in arguments else done.stdout + done.stderr


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mistral" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(MISTRAL), "utf-8")
    return path


def _model(path: Path) -> Path:
    """A model of one matrix: enough to quantise, not to run."""
    planned = [Planned("token_embd.weight", (256, 64), named("F32"))]
    facts: dict[str, Any] = {"block_count": 1, "embedding_length": 256, "context_length": 64, "attention.head_count": 4}
    records = [record("general.architecture", "llama")] + [record(f"llama.{k}", v) for k, v in facts.items()]
    write_gguf(path, records, planned, lambda _, file: file.write(bytes(256 * 64 * 4)) and None)
    return path


def test_fit_prints_the_contract(tmp_path: Path, config: Path) -> None:
    found = json.loads(rightsized(tmp_path, "models", "fit", "--architecture", config, "--memory", "6GB", "--json"))
    assert set(found) >= {
        "model",
        "architecture",
        "parameters",
        "memory",
        "context",
        "choice",
        "alternatives",
        "advice",
    }
    assert found["choice"]["quantisation"] == "Q4_K_M"
    assert (found["model"], found["parameters"], found["memory"]) == ("mistral", 7_241_732_096, 6 * 10**9)
    sizes = found["choice"]
    assert sizes["total"] == sizes["weights"] + sizes["cache"] + sizes["compute"] + sizes["runtime"]


def test_fit_says_what_to_change(tmp_path: Path, config: Path) -> None:
    said = rightsized(tmp_path, "models", "fit", "--architecture", config, "--memory", "1GB", status=1)
    assert "does not fit into 1.00 GB" in said
    assert "take a smaller model" in said
    said = rightsized(tmp_path, "models", "fit", status=2)
    assert "Name one model" in said


def test_pull_quantize_show_and_fit(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    home, path = tmp_path / "home", _model(tmp_path / "Small.gguf")
    assert "Installed small" in rightsized(home, "models", "pull", path)
    made = json.loads(rightsized(home, "models", "quantize", "small", "--to", "q8_0", "--no-verify", "--json"))
    assert (made["name"], made["source"]) == ("small-q8_0", "quantised:small")
    file = home / "models" / "small-q8_0" / "small-q8_0.gguf"
    assert [t.kind.name for t in read_header(file).tensors] == ["Q8_0"]
    shown = rightsized(home, "models", "show", "small-q8_0")
    assert "Q8_0" in shown
    assert "verify-export" in shown
    assert "fits into" in rightsized(home, "models", "fit", "small-q8_0", "--context", "64")
    said = rightsized(home, "models", "quantize", "small-q8_0", "--to", "Q4_0", status=2)
    assert "packed already" in said


def test_convert_without_torch_names_the_command(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    (tmp_path / "config.json").write_text("{}", "utf-8")
    said = rightsized(tmp_path, "models", "convert", tmp_path, status=2)
    assert "pip install 'rightsized[tune]'" in said


def test_fit_says_what_is_not_there_and_keeps_small_sizes_readable(tmp_path: Path) -> None:
    said = rightsized(tmp_path, "models", "fit", "./absent.gguf", status=3)
    assert "There is no file or folder ./absent.gguf." in said
    said = rightsized(tmp_path, "models", "fit", _model(tmp_path / "Tiny.gguf"), "--memory", "10MB", status=1)
    assert "million" not in said.partition("parameters")[0]
    assert "fit into 10.0 MB" in said
    assert "take a smaller model" not in said  # its weights are not what is too large
