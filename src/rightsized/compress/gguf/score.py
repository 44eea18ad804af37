"""Run in a process of its own (`python -m rightsized.compress.gguf.score FILE CONTEXT [LORA]`): what a file answers.

Speaks as `tune/reference.py` does: one JSON object a line in and out. Greedy answers and chat templates come from the
runtime that serves, with a float32 attention cache; perplexity from llama.cpp's C interface, which shows every logit.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from rightsized.compress.gguf.native import Runner
from rightsized.core.egress import Egress
from rightsized.store.gguf import read_header

TIMEOUT = 600.0  # seconds for one answer of the runtime


class Converted:
    """A GGUF file, opened by llama.cpp; each side only when it is asked for."""

    def __init__(self, path: str, context: int, adapter: str = "") -> None:
        self._path, self._context, self._adapter = path, context, adapter
        self._server: Any = None
        self._runner: Runner | None = None

    def tokens(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, with the marks that the model expects."""
        return [self._opened_runner().tokens(text) for text in texts]

    def special(self) -> list[int]:
        """Ids of the marks that end a text or have a meaning of their own."""
        return self._opened_runner().special()

    def start(self) -> str:
        """llama.cpp never writes the start mark into a rendered conversation."""
        return ""

    def greedy(self, prompts: list[list[int]], count: int, avoid: list[int]) -> list[dict[str, list[Any]]]:
        """The most probable next tokens, none of them out of `avoid`."""
        order: dict[str, Any] = {"n_predict": count, "temperature": 0, "return_tokens": True, "cache_prompt": False}
        order |= {"logit_bias": [[token, False] for token in avoid], "samplers": ["temperature"]}
        return [{"tokens": self._ask("/completion", {**order, "prompt": prompt})["tokens"]} for prompt in prompts]

    def surprise(self, sequences: list[list[int]]) -> list[float]:
        """Negative log probability (nats) of each sequence's tokens after the first, summed."""
        sums = []
        for sequence in sequences:
            runner = self._opened_runner()
            runner.forget()
            logits = runner.logits(sequence, 0)[:-1].astype(np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            chances = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            sums.append(-float(chances[np.arange(len(sequence) - 1), sequence[1:]].sum()))
        return sums

    def speed(self, prompt: int, answer: int, threads: int, run: dict[str, Any]) -> dict[str, float]:
        """Tokens a second of a prompt and of an answer, and resident bytes afterwards, as a tier would run it.

        `run`: flash_attention, cache_type and slots, as in a tier's options.
        """
        import psutil

        self._server = self._open(threads, **run)
        order = {"prompt": [i % 50 + 10 for i in range(prompt)], "n_predict": answer, "temperature": 0}
        timings = self._ask("/completion", {**order, "ignore_eos": True, "cache_prompt": False})["timings"]
        found = {"prompt": timings["prompt_per_second"], "answer": timings["predicted_per_second"]}
        return {**found, "resident": psutil.Process().memory_info().rss}

    def rendered(self, conversations: list[list[dict[str, str]]]) -> list[str]:
        """Each conversation as the chat template in the file writes it, ready for the assistant's answer."""
        if not read_header(Path(self._path)).text("tokenizer.chat_template"):
            return []
        order = {"add_generation_prompt": True}
        return [self._ask("/apply-template", {**order, "messages": messages})["prompt"] for messages in conversations]

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the runtime's own port on loopback
            self._opened_server().listening_address + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:  # noqa: S310 - as above
            return json.loads(reply.read())

    def _opened_runner(self) -> Runner:
        if self._runner is None:
            adapter = Path(self._adapter) if self._adapter else None
            self._runner = Runner(Path(self._path), context=self._context, adapter=adapter)
        return self._runner

    def _opened_server(self) -> Any:
        if self._server is None:
            threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
            self._server = self._open(threads, cache_type="f32", exact=True)
        return self._server

    def _open(
        self, threads: int, *, cache_type: str, flash_attention: bool = False, slots: int = 1, exact: bool = False
    ) -> Any:
        import xllamacpp

        parameters = xllamacpp.CommonParams()
        parameters.model.path, parameters.n_parallel, parameters.kv_unified = self._path, slots, False
        parameters.n_ctx = self._context * slots
        parameters.warmup, parameters.port, parameters.n_gpu_layers = False, 0, 0
        kind = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{cache_type.upper()}")
        parameters.cache_type_k = parameters.cache_type_v = kind
        flash = "ENABLED" if flash_attention else "DISABLED"
        parameters.flash_attn_type = getattr(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{flash}")
        parameters.no_extra_bufts = exact
        parameters.use_jinja = True
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        if self._adapter:
            info = xllamacpp.CommonAdapterLoraInfo()
            info.path, info.scale = self._adapter, 1.0
            parameters.lora_adapters = [info]
        return xllamacpp.Server(parameters)


def main() -> None:
    Egress().watch()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # llama.cpp prints on both; the answers must stand alone
    converted = Converted(sys.argv[1], int(sys.argv[2]), *sys.argv[3:4])
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(converted, order.pop("action"))(**order)
        print(json.dumps({"answer": answer}), file=out, flush=True)
    out.flush()
    os._exit(0)  # closing the runtime's server may wait for its own threads


if __name__ == "__main__":
    main()
