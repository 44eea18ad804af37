"""Tiny GGUF files with random weights and a character vocabulary, so that the engine's tests run real llama.cpp.

What such a model writes is letters without sense, the same ones each time. Byte, unknown and end tokens have zero
output rows: greedy decoding picks none of them, so texts are plain characters and run until their limit.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import shutil
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import gguf.quants
import numpy as np

from rightsized.core.egress import Egress
from rightsized.core.tiers import EngineContext, TierConfig
from rightsized.engines.llamacpp import open_engine
from rightsized.engines.llamacpp.generator import LlamaCppGenerator

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CHARACTERS = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?'\"-_(){}[]<>|/\\+*=#@\n"
WORDS = ("the", "cat", "dog", "sat", "ran", "mat", "fox", "red", "blue", "bank", "money", "river")
FIM = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
WIDTH, HEADS, KV_HEADS, LAYERS, INNER = 64, 4, 2, 2, 96
Array = np.ndarray


class Vocabulary(NamedTuple):
    """Pieces, their scores and their kinds, by token id."""

    pieces: list[bytes]
    scores: list[float]
    kinds: list[int]

    @property
    def silent(self) -> list[int]:
        """Tokens that greedy decoding never picks."""
        return [i for i, kind in enumerate(self.kinds) if kind != gguf.TokenType.NORMAL]


def vocabulary(*, fim: bool = False, chain: Sequence[str] = ()) -> Vocabulary:
    """Unknown, start, end, 256 bytes, one token a character, pieces of a chain, and fill-in-the-middle marks."""
    special = [(b"<unk>", gguf.TokenType.UNKNOWN), (b"<s>", gguf.TokenType.CONTROL), (b"</s>", gguf.TokenType.CONTROL)]
    raw = [(f"<0x{i:02X}>".encode(), gguf.TokenType.BYTE) for i in range(256)]
    plain = [(c.replace(" ", "\u2581").encode(), gguf.TokenType.NORMAL) for c in CHARACTERS]
    marks = [(mark.encode(), gguf.TokenType.CONTROL) for mark in FIM] if fim else []
    said = [(piece.replace(" ", "\u2581").encode(), gguf.TokenType.NORMAL) for piece in chain]
    rows = [*special, *raw, *plain, *said, *marks]
    return Vocabulary([r[0] for r in rows], [0.0] * len(rows), [int(r[1]) for r in rows])


def write_llama(
    path: Path,
    *,
    seed: int = 0,
    context: int = 512,
    fim: bool = False,
    template: str = CHAT_TEMPLATE,
    chain: Sequence[str] = (),
    weights: str = "F32",
) -> Path:
    """A two-layer Llama of 64 dimensions; `context` tokens were declared as trained on, `weights` such as Q8_0.

    With a `chain` it is no longer random: after a line break it writes these pieces, each a token, and ends.
    """
    words = vocabulary(fim=fim, chain=chain)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(words.pieces))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_tokenizer(writer, words)
    if template:
        writer.add_chat_template(template)
    if fim:
        first = len(words.pieces) - len(FIM)
        writer.add_uint32("tokenizer.ggml.fim_pre_token_id", first)
        writer.add_uint32("tokenizer.ggml.fim_suf_token_id", first + 1)
        writer.add_uint32("tokenizer.ggml.fim_mid_token_id", first + 2)
    arrays = _llama_weights(words, seed)
    if chain:
        _recite(arrays, words, chain)
    for name, array in arrays.items():
        kind = gguf.GGMLQuantizationType[weights if array.ndim == 2 else "F32"]
        writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
    return finish(writer, path)


def write_adapter(path: Path, *, seed: int = 7, rank: int = 4) -> Path:
    """A LoRA adapter for `write_llama`, strong enough to change every answer."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for layer in range(LAYERS):
        for name, rows in (("attn_q", WIDTH), ("ffn_up", INNER)):
            base = f"blk.{layer}.{name}.weight"
            writer.add_tensor(f"{base}.lora_a", random.normal(0, 0.5, (rank, WIDTH)).astype(np.float32))
            writer.add_tensor(f"{base}.lora_b", random.normal(0, 0.5, (rows, rank)).astype(np.float32))
    return finish(writer, path)


def write_reranker(path: Path, *, seed: int = 3, context: int = 128) -> Path:
    """A two-layer BERT cross-encoder with a one-value head over a vocabulary of a few words."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = [*words, *(f"\u2581{w}" for w in WORDS)]
    tokens += [f"\u2581{c}" for c in "abcdefghijklmnopqrstuvwxyz"] + list("abcdefghijklmnopqrstuvwxyz")
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name("tiny-reranker")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.RANK)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([t.encode() for t in tokens])
    writer.add_token_types([int(gguf.TokenType.CONTROL if i < len(words) else 1) for i in range(len(tokens))])
    writer.add_token_type_count(2)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_unk_token_id(1)
    writer.add_sep_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_mask_token_id(4)
    for name, array in _bert_weights(len(tokens), seed, context).items():
        writer.add_tensor(name, array)
    return finish(writer, path)


def add_tokenizer(writer: gguf.GGUFWriter, words: Vocabulary) -> None:
    """The vocabulary, as a SentencePiece model without a space before the text."""
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(words.pieces)
    writer.add_token_scores(words.scores)
    writer.add_token_types(words.kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)


def _llama_weights(words: Vocabulary, seed: int) -> dict[str, Array]:
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> Array:
        return (random.normal(0, 1.5 / np.sqrt(shape[-1]), shape)).astype(np.float32)

    output = normal(len(words.pieces), WIDTH) * 4
    output[words.silent] = 0
    arrays = {"token_embd.weight": normal(len(words.pieces), WIDTH), "output.weight": output}
    arrays["output_norm.weight"] = np.ones(WIDTH, np.float32)
    narrow = WIDTH // HEADS * KV_HEADS
    for layer in range(LAYERS):
        shapes = {"attn_q": (WIDTH, WIDTH), "attn_k": (narrow, WIDTH), "attn_v": (narrow, WIDTH)}
        shapes |= {"attn_output": (WIDTH, WIDTH), "ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH)}
        shapes |= {"ffn_down": (WIDTH, INNER)}
        arrays |= {f"blk.{layer}.{name}.weight": normal(*shape) for name, shape in shapes.items()}
        for name in ("attn_norm", "ffn_norm"):
            arrays[f"blk.{layer}.{name}.weight"] = np.ones(WIDTH, np.float32)
    return arrays


def _recite(weights: dict[str, Array], words: Vocabulary, chain: Sequence[str]) -> None:
    """Make each token's likeliest successor the next of the chain: layers add nothing, the output row is its image."""
    for name in weights:
        if name.endswith(("attn_output.weight", "ffn_down.weight")):
            weights[name][:] = 0
    ids = [words.pieces.index(piece.replace(" ", "\u2581").encode()) for piece in ("\n", *chain)]
    weights["output.weight"][:] = 0
    for before, after in itertools.pairwise([*ids, words.pieces.index(b"</s>")]):
        weights["output.weight"][after] = weights["token_embd.weight"][before] * 2


def _bert_weights(tokens: int, seed: int, context: int) -> dict[str, Array]:
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> Array:
        return (random.normal(0, 1.5 / np.sqrt(shape[-1]), shape)).astype(np.float32)

    arrays = {"token_embd.weight": normal(tokens, WIDTH), "position_embd.weight": normal(context, WIDTH)}
    arrays["token_types.weight"] = normal(2, WIDTH)
    norms = ["token_embd_norm"]
    linear = {"cls": (WIDTH, WIDTH), "cls.output": (1, WIDTH)}
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            linear[f"blk.{layer}.{name}"] = (WIDTH, WIDTH)
        linear[f"blk.{layer}.ffn_up"] = (INNER, WIDTH)
        linear[f"blk.{layer}.ffn_down"] = (WIDTH, INNER)
        norms += [f"blk.{layer}.attn_output_norm", f"blk.{layer}.layer_output_norm"]
    for name, shape in linear.items():
        arrays |= {f"{name}.weight": normal(*shape), f"{name}.bias": np.zeros(shape[0], np.float32)}
    for name in norms:
        arrays |= {f"{name}.weight": np.ones(WIDTH, np.float32), f"{name}.bias": np.zeros(WIDTH, np.float32)}
    return arrays


def finish(writer: gguf.GGUFWriter, path: Path) -> Path:
    """Write the file; returns its path."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@cache
def folder() -> Path:
    """A folder for this process's tiny models, removed at its end."""
    place = Path(tempfile.mkdtemp(prefix="rightsized-tiny-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


@cache
def model(**facts: Any) -> Path:
    """A tiny Llama, written once for each set of `facts`, which are as `write_llama` takes them."""
    return write_llama(folder() / f"{zlib.crc32(repr(sorted(facts.items())).encode()):x}.gguf", **facts)


async def until(true: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait until something has come true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - nothing tells us of it
            await asyncio.sleep(0.01)


async def until_busy(engine: LlamaCppGenerator, slots: int, *, seconds: float = 20.0) -> None:
    """Wait until the worker itself says that so many of its slots are at work."""
    async with asyncio.timeout(seconds):
        while sum(slot["is_processing"] for slot in await engine.slots()) != slots:
            pass


@asynccontextmanager
async def running(place: Path, *, ready: bool = True, **settings: Any) -> AsyncIterator[LlamaCppGenerator]:
    """An engine on a model file, started, its model loaded; closed at the end."""
    chosen = {"threads": 1, **settings.pop("options", {})}
    tier = TierConfig(name="small", engine="llamacpp", model=str(place), options=chosen, **settings)
    engine = open_engine(tier, EngineContext(Egress(), ""))
    await engine.start()
    try:
        if ready:
            await engine.slots()
        yield engine
    finally:
        await engine.close()
