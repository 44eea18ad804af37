"""Run by a Python that has torch and transformers: says what a checkpoint's original implementation answers.

Arguments: the checkpoint's folder, threads, and perhaps the folder of a LoRA adapter that is added to its weights.
Reads one JSON object a line from standard input and writes one a line to standard output. Imports nothing of this
package. Weights are float32.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers


class Original:
    """A checkpoint, opened by transformers."""

    def __init__(self, folder: str, adapter: str = "") -> None:
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        if adapter:
            add_adapter(self.model, Path(adapter))

    def tokens(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, with the marks that the tokenizer adds."""
        return [self.tokenizer(text)["input_ids"] for text in texts]

    def special(self) -> list[int]:
        """Ids of the marks that end a text or have a meaning of their own."""
        return sorted(self.tokenizer.all_special_ids)

    def start(self) -> str:
        """The mark that starts a text; empty where the tokenizer adds none."""
        with_mark, without = (self.tokenizer("a", add_special_tokens=on)["input_ids"] for on in (True, False))
        return str(self.tokenizer.bos_token or "") if with_mark != without else ""

    def greedy(self, prompts: list[list[int]], count: int, avoid: list[int]) -> list[dict[str, list[Any]]]:
        """The most probable next tokens, `count` of them, none out of `avoid`; and each one's lead in logits."""
        return [self._greedy(prompt, count, avoid) for prompt in prompts]

    def _greedy(self, prompt: list[int], count: int, avoid: list[int]) -> dict[str, list[Any]]:
        found: list[int] = []
        leads: list[float] = []
        given, past = torch.tensor([prompt]), None
        with torch.no_grad():
            for _ in range(count):
                state = self.model(given, past_key_values=past, use_cache=True)
                logits = state.logits[0, -1]
                logits[avoid] = -torch.inf
                best = logits.topk(2)
                found.append(int(best.indices[0]))
                leads.append(float(best.values[0] - best.values[1]))
                given, past = torch.tensor([found[-1:]]), state.past_key_values
        return {"tokens": found, "leads": leads}

    def surprise(self, sequences: list[list[int]]) -> list[float]:
        """Negative log probability (nats) of each sequence's tokens after the first, summed."""
        sums = []
        for sequence in sequences:
            tokens = torch.tensor([sequence])
            with torch.no_grad():
                chances = torch.log_softmax(self.model(tokens).logits[0].double(), dim=-1)
            sums.append(-float(chances[:-1].gather(1, tokens[0, 1:, None]).sum()))
        return sums

    def rendered(self, conversations: list[list[dict[str, str]]]) -> list[str]:
        """Each conversation as the chat template writes it, ready for the assistant's answer."""
        if not self.tokenizer.chat_template:
            return []
        return [
            self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            for messages in conversations
        ]


def add_adapter(model: Any, folder: Path) -> None:
    """Add a LoRA adapter to the weights, as PEFT defines it: W + scale * B A, scale = alpha / r or alpha / sqrt(r).

    Raises ValueError for what is more than that: a file that cannot say so would be compared with the wrong original.
    """
    from safetensors.torch import load_file

    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    tensors = load_file(folder / "adapter_model.safetensors")
    pairs = {name.removesuffix(".lora_A.weight") for name in tensors if name.endswith(".lora_A.weight")}
    known = {f"{name}.lora_{side}.weight" for name in pairs for side in "AB"}
    if set(tensors) != known or config.get("use_dora") or config.get("alpha_pattern"):
        odd = sorted(set(tensors) ^ known)[:1] or ["use_dora or alpha_pattern"]
        raise ValueError(f"this adapter is more than pairs of LoRA matrices of one alpha: {odd[0]}")
    for name in sorted(pairs):
        down, up = (tensors[f"{name}.lora_{side}.weight"].float() for side in "AB")
        rank = down.shape[0]
        scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
        weight = model.get_submodule(name.removeprefix("base_model.model.")).weight
        change = scale * (up @ down)
        with torch.no_grad():
            weight += change.T if config.get("fan_in_fan_out") else change


def main() -> None:
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    transformers.logging.set_verbosity_error()
    out, sys.stdout = sys.stdout, sys.stderr  # the library may print; the answers must stand alone
    original = Original(sys.argv[1], *sys.argv[3:4])
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(original, order.pop("action"))(**order)
        print(json.dumps({"answer": answer}), file=out, flush=True)


if __name__ == "__main__":
    main()
