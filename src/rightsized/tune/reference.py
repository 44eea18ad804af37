"""Run by a Python that has torch and transformers: says what a checkpoint's original implementation answers.

Reads one JSON object a line from standard input and writes one a line to standard output; an error is an object with
`error`. The first argument is the checkpoint's folder. Imports nothing of this package. Weights are float32.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
import transformers


class Original:
    """A checkpoint, opened by transformers."""

    def __init__(self, folder: str) -> None:
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

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


def main() -> None:
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    transformers.logging.set_verbosity_error()
    out, sys.stdout = sys.stdout, sys.stderr  # the library may print; the answers must stand alone
    original = Original(sys.argv[1])
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(original, order.pop("action"))(**order)
        print(json.dumps({"answer": answer}), file=out, flush=True)


if __name__ == "__main__":
    main()
