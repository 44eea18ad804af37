"""What the parent tells a worker at its start, and what the worker answers: one line of JSON each way.

Requests do not pass here; they go over the worker's Unix socket. Standard library and msgspec only.
"""

from __future__ import annotations

import msgspec

from rightsized.core.frozen import Frozen


class Adapter(Frozen, frozen=True):
    """A LoRA adapter: its name in requests, and its GGUF file."""

    name: str
    path: str


class WorkerSettings(Frozen, frozen=True):
    """How to load a model.

    Args:
        model: path of the GGUF file.
        socket: path of the Unix socket to listen on; ends in `.sock`.
        key: what a request must carry as its bearer token.
        context: tokens of one sequence, prompt and answer together; 0 = as the model was trained.
        slots: sequences worked on at a time, each with its own context.
        batch: most tokens in one pass.
        pooling: `none`, `mean`, `cls`, `last` or `rank`; empty: as the model says.
        cache_type: how keys and values are kept: `f16`, `f32`, `q8_0`.
        flash_attention: whether attention is computed in one step, in half precision for a part.
        reuse_prompt: whether the start of a prompt that a slot has just read is not read again.
    """

    model: str
    socket: str
    key: str
    context: int = 0
    slots: int = 1
    threads: int = 1
    batch: int = 512
    embeddings: bool = False
    pooling: str = ""
    cache_type: str = "f16"
    flash_attention: bool = False
    reuse_prompt: bool = True
    gpu_layers: int = 0
    chat_template: str = ""
    adapters: tuple[Adapter, ...] = ()


class Report(Frozen, frozen=True):
    """How the loading ended: `error` is empty where the model is ready."""

    error: str = ""
    version: str = ""


def encode(message: Frozen) -> bytes:
    """One line."""
    return msgspec.json.encode(message) + b"\n"
