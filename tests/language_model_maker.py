"""Run by a Python that has torch, transformers and sentencepiece: makes a tiny language model that has learnt a little.

Arguments: name of a case, an empty folder. Writes a checkpoint as the hub would hold it: config.json, safetensors,
tokenizer files, a chat template. The architecture is the true one; only the sizes are small.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import transformers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

WORDS, WIDTH, POSITIONS = 640, 256, 512
STEPS, BATCH, LENGTH = 60, 8, 48
CORPUS = Path(__file__).parents[1] / "src" / "rightsized" / "data" / "support_train.csv"
SIZES = {"hidden_size": WIDTH, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": POSITIONS}
ZEPHYR = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' "
    "else message['role'] %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
FIM = ["<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"]
# name: configuration class, model class, settings, tokenizer, chat template
CASES: dict[str, tuple[str, str, dict[str, Any], str, str]] = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", GROUPED, "llama", ZEPHYR),
    "mistral": ("MistralConfig", "MistralForCausalLM", {**GROUPED, "sliding_window": None}, "llama", MISTRAL),
    "mixtral": (
        "MixtralConfig",
        "MixtralForCausalLM",
        {**GROUPED, "intermediate_size": 256, "num_local_experts": 4, "num_experts_per_tok": 2},
        "llama",
        MISTRAL,
    ),
    "gemma": (
        "GemmaConfig",
        "GemmaForCausalLM",
        {**GROUPED, "num_key_value_heads": 1, "head_dim": 64, "hidden_act": "gelu_pytorch_tanh"},
        "gemma",
        GEMMA,
    ),
    "phi": (
        "PhiConfig",
        "PhiForCausalLM",
        # The converter writes four times the width for the feed-forward layer, whatever the config says.
        {**SIZES, "intermediate_size": 4 * WIDTH, "max_position_embeddings": POSITIONS},
        "gpt-2",
        "",
    ),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", {**GROUPED, "tie_word_embeddings": True}, "qwen2", CHATML),
    "starcoder2": ("Starcoder2Config", "Starcoder2ForCausalLM", {**GROUPED, "use_bias": True}, "starcoder", ""),
    "gpt-bigcode": (
        "GPTBigCodeConfig",
        "GPTBigCodeForCausalLM",
        {"n_embd": WIDTH, "n_inner": 4 * WIDTH, "n_layer": 2, "n_head": 4, "n_positions": POSITIONS},
        "starcoder",
        "",
    ),
}
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def texts() -> list[str]:
    """Messages to learn from, and some code."""
    import csv

    with CORPUS.open(encoding="utf-8") as file:
        rows = [row["text"] for row in csv.DictReader(file)]
    code = Path(__file__).read_text("utf-8")
    return [*rows[:600], *(code[i : i + 200] for i in range(0, len(code), 200))]


def byte_level(kind: str, folder: Path, corpus: list[str]) -> transformers.PreTrainedTokenizerFast:
    """A BPE over bytes, split before merging as the named family splits."""
    marks = {"gpt-2": ["<|endoftext|>"], "starcoder": ["<|endoftext|>", *FIM]}
    special = marks.get(kind, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer = Tokenizer(models.BPE())
    split: dict[str, list[Any]] = {
        "gpt-2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "starcoder": [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "qwen2": [
            pre_tokenizers.Split(Regex(QWEN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ],
    }
    tokenizer.normalizer = normalizers.NFC() if kind == "qwen2" else None
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split[kind]) if len(split[kind]) > 1 else split[kind][0]
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=WORDS, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(corpus, trainer)
    end = "<|im_end|>" if kind == "qwen2" else "<|endoftext|>"
    ends = {"eos_token": end} if kind == "qwen2" else {"bos_token": end, "eos_token": end, "unk_token": end}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ends)


def sentence_piece(kind: str, folder: Path, corpus: list[str]) -> transformers.PreTrainedTokenizerFast:
    """A BPE over characters with bytes to fall back to, as Llama's and Gemma's; tokenizer.model is written too."""
    user = ["<start_of_turn>", "<end_of_turn>"] if kind == "gemma" else []
    order = {"unk_id": 3, "bos_id": 2, "eos_id": 1, "pad_id": 0} if kind == "gemma" else {"pad_id": -1}
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus),
        model_writer=written,
        model_type="bpe",
        vocab_size=WORDS,
        byte_fallback=True,
        character_coverage=0.999,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=kind == "llama",
        split_digits=True,
        max_sentence_length=100_000,
        num_threads=1,
        user_defined_symbols=user,
        minloglevel=2,
        **order,
    )
    (folder / "tokenizer.model").write_bytes(written.getvalue())
    proto = sentencepiece_model_pb2.ModelProto.FromString(written.getvalue())
    tokenizer = _as_fast(proto, kind)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<bos>" if kind == "gemma" and "<bos>" in tokenizer.get_vocab() else "<s>",
        eos_token="<eos>" if kind == "gemma" and "<eos>" in tokenizer.get_vocab() else "</s>",
        unk_token="<unk>",
        add_bos_token=True,
    )


def _as_fast(proto: Any, kind: str) -> Tokenizer:
    vocabulary = {piece.piece: i for i, piece in enumerate(proto.pieces)}
    scores = {piece.piece: piece.score for piece in proto.pieces}
    merges = []
    for whole in vocabulary:
        parts = [(whole[:i], whole[i:]) for i in range(1, len(whole))]
        known = [(a, b) for a, b in parts if a in vocabulary and b in vocabulary]
        merges += [(scores[whole], vocabulary[a], vocabulary[b], a, b) for a, b in known]
    merges.sort(key=lambda m: (-m[0], m[1], m[2]))
    pairs = [(a, b) for *_, a, b in merges]
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    blank = [normalizers.Replace(" ", "\u2581")]
    tokenizer.normalizer = normalizers.Sequence(([normalizers.Prepend("\u2581")] if kind == "llama" else []) + blank)
    steps = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps + ([decoders.Strip(content=" ", left=1)] if kind == "llama" else []))
    start = next(p.piece for p in proto.pieces if p.piece in ("<s>", "<bos>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A", pair=f"{start} $A {start} $B", special_tokens=[(start, vocabulary[start])]
    )
    control = [p.piece for p in proto.pieces if p.type in (2, 3)]
    tokenizer.add_special_tokens([AddedToken(p, normalized=False, special=True) for p in control])
    tokenizer.add_tokens([AddedToken(p.piece, normalized=False) for p in proto.pieces if p.type == 4])
    return tokenizer


def main() -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    torch.manual_seed(11)
    case, folder = sys.argv[1], Path(sys.argv[2])
    config_name, model_name, settings, kind, template = CASES[case]
    corpus = texts()
    build = sentence_piece if kind in ("llama", "gemma") else byte_level
    tokenizer = build(kind, folder, corpus)
    if template:
        tokenizer.chat_template = template
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": None}
    config = getattr(transformers, config_name)(vocab_size=len(tokenizer), **settings, **ends)
    model = getattr(transformers, model_name)(config)
    loss = train(model, tokenizer, corpus)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    print(json.dumps({"loss": loss, "parameters": model.num_parameters()}))


def train(model: Any, tokenizer: Any, corpus: list[str]) -> float:
    """A minute of learning at most, so that the model is surer of some words than of others."""
    stream = torch.tensor([t for text in corpus for t in [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]])
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    loss = torch.zeros(())
    for _ in range(STEPS):
        starts = torch.randint(0, len(stream) - LENGTH - 1, (BATCH,))
        batch = torch.stack([stream[s : s + LENGTH] for s in starts])
        loss = model(batch, labels=batch).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    model.eval()
    return float(loss)


if __name__ == "__main__":
    main()
