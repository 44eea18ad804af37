"""Run by a Python that has torch and transformers: makes tiny random language models and says what they write.

Reads one JSON object a line from standard input and writes one a line to standard output.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
import transformers
from safetensors.torch import save_file

SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
WINDOW = {"sliding_window": None}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {**SHAPE}),
    "mistral": ("Mistral", {**SHAPE, **WINDOW}),
    "mixtral": ("Mixtral", {**SHAPE, **WINDOW, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "qwen2": ("Qwen2", {**SHAPE}),
    "qwen3": ("Qwen3", {**SHAPE, "head_dim": 32}),
    "gemma": ("Gemma", {**SHAPE, "head_dim": 32}),
    "gemma2": ("Gemma2", {**SHAPE, "head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16}),
    "phi": ("Phi", {**SHAPE, "num_key_value_heads": 4, "partial_rotary_factor": 0.5}),
    "phi3": ("Phi3", {**SHAPE, "sliding_window": 1024}),
    "starcoder2": ("Starcoder2", {**SHAPE, **WINDOW}),
    "gpt_bigcode": (
        "GPTBigCode",
        {"n_embd": 64, "n_inner": 96, "n_layer": 3, "n_head": 4, "n_positions": 256, "bos_token_id": 1},
    ),
}


def make(case: str, path: str, vocabulary: int, silent: list[int]) -> tuple[Any, dict[str, Any]]:
    """A random model whose weights are spread wide, saved; tokens in `silent` have zero output rows."""
    name, settings = CASES[case]
    torch.manual_seed(11)
    config = getattr(transformers, f"{name}Config")(**settings, vocab_size=vocabulary)
    model = getattr(transformers, f"{name}ForCausalLM")._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for label, parameter in model.named_parameters():
            if parameter.ndim == 1:
                around = 1.0 if "norm" in label or "ln_" in label else 0.0
                parameter.normal_(0.0 if "gemma" in case and around else around, 0.2)
            else:
                parameter.normal_(0.0, 1.2 / parameter.shape[-1] ** 0.5)
        head = model.get_output_embeddings()
        head.weight[silent] = 0
        if getattr(head, "bias", None) is not None:
            head.bias.zero_()
    arrays = {key: value.detach().clone().contiguous().float() for key, value in model.state_dict().items()}
    if head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr():
        arrays.pop("lm_head.weight", None)
    save_file(arrays, path)
    return model, config.to_dict()


@torch.no_grad()
def write(model: Any, prompts: list[list[int]], count: int) -> list[dict[str, Any]]:
    """Greedy tokens and their logprobs, each step from the whole text anew: no cache to be wrong about."""
    answers = []
    for prompt in prompts:
        ids, chosen = list(prompt), []
        for _ in range(count):
            logits = torch.log_softmax(model(torch.tensor([ids]), use_cache=False).logits[0, -1].float(), -1)
            token = int(logits.argmax())
            chosen.append(float(logits[token]))
            ids.append(token)
        answers.append({"tokens": ids[len(prompt) :], "logprobs": chosen})
    return answers


def main() -> None:
    torch.set_num_threads(1)
    for line in sys.stdin:
        asked = json.loads(line)
        model, config = make(asked["case"], asked["path"], asked["vocabulary"], asked["silent"])
        answers = write(model, asked["prompts"], asked["count"])
        print(json.dumps({"config": config, "answers": answers}), flush=True)


if __name__ == "__main__":
    main()
