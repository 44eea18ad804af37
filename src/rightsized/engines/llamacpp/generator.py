"""A GGUF model in a worker process, as the gateway's Generator.

Checks what a request asks before the worker sees it, bounds how many wait, and carries deadlines. Which request comes
here is the gateway's business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from rightsized.core.errors import ContextLengthError, MissingExtraError, UnsupportedError
from rightsized.core.generation import Completion, Delta, EngineStatus, Generation, Operation
from rightsized.core.tiers import EngineContext, TierConfig
from rightsized.engines.llamacpp import options as given
from rightsized.engines.llamacpp import replies, requests, vectors
from rightsized.engines.llamacpp.client import Body, Client, Patience
from rightsized.engines.llamacpp.fim import Marks, fim_prompt, marks_of
from rightsized.engines.llamacpp.gate import Gate
from rightsized.engines.llamacpp.merge import merged
from rightsized.engines.llamacpp.options import ModelFile, Options
from rightsized.engines.llamacpp.requests import Abilities, Call
from rightsized.engines.llamacpp.shapes import check_shapes
from rightsized.engines.llamacpp.supervisor import Supervisor
from rightsized.engines.llamacpp.wire import Adapter, WorkerSettings

RUNTIME = "xllamacpp"
CHAT_TEMPLATE = "tokenizer.chat_template"  # key of a GGUF file
QUESTION_SECONDS = 10.0  # longest wait for a fact about the loaded model


class LlamaCppGenerator:
    """One model on this machine.

    Args:
        tier: its table in the settings; `context` = 0 takes what the model was trained with.
        options: the tier's options, read.
        model, adapters: the files, found and checked.
    """

    on_premises = True

    def __init__(self, tier: TierConfig, options: Options, model: ModelFile, adapters: dict[str, ModelFile]) -> None:
        self.name = tier.name
        self._talks = bool(options.chat_template or model.header.text(CHAT_TEMPLATE))
        self.operations: frozenset[Operation] = frozenset(tier.operations) - (set() if self._talks else {"chat"})
        self._tier, self._options, self._model, self._adapters = tier, options, model, adapters
        self.context = given.context(tier, model)
        self._marks: Marks | None = marks_of(model.header)
        self._digest = ""
        self._tools: bool | None = None
        slots = given.slots(tier, options)
        settings = _settings(tier, options, model, adapters, self.context)
        self._supervisor = Supervisor(tier.name, settings, memory_mb=options.memory_mb)
        self._client = Client(tier.name, self._supervisor)
        self._gate = Gate(tier.name, slots, tier.queue)

    @property
    def digest(self) -> str:
        """Over the files, the runtime and the options that change an answer. Read once; `start` does it ahead."""
        if not self._digest:
            runtime = f"{RUNTIME} {version(RUNTIME)}"
            self._digest = given.digest(self._model, self._adapters, self._options, runtime)
        return self._digest

    async def start(self) -> None:
        """Start the worker; the model loads meanwhile, and a request waits for it."""
        await self._supervisor.start()
        await asyncio.to_thread(lambda: self.digest)

    async def close(self) -> None:
        """End the worker."""
        await self._supervisor.close()
        await self._client.close()

    def status(self) -> EngineStatus:
        return EngineStatus(
            ready=self._supervisor.ready,
            in_flight=self._gate.inside + self._gate.waiting,
            detail=self._supervisor.detail,
            starts=self._supervisor.lives,
        )

    async def generate(self, generation: Generation) -> Completion:
        """The whole answer.

        Raises UpstreamError, UpstreamTimeoutError, BusyError, UnsupportedError, ContextLengthError, InputError.
        """
        self._check(generation)
        patience = self._patience(generation)
        if generation.operation in ("embeddings", "rerank"):
            call = vectors.call(generation)
            self._gate.check(1)
            answer = await self._post(call, patience)
            return vectors.completion(generation, self.name, answer)
        # As a stream: llama.cpp sees that nobody waits any more for what it writes in pieces, not for one piece.
        async with aclosing(self._written(generation, patience)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Completion):
                    return piece
        raise AssertionError("a stream ends with its Completion")

    async def stream(self, generation: Generation) -> AsyncGenerator[Delta | Completion, None]:
        """Pieces as they come, then the Completion. Raises as `generate`."""
        self._check(generation)
        if generation.operation in ("embeddings", "rerank"):
            raise UnsupportedError(f"{generation.operation} has nothing to stream.", fix="Ask without `stream`.")
        async with aclosing(self._written(generation, self._patience(generation))) as pieces:
            async for piece in pieces:
                yield piece

    async def _written(self, generation: Generation, patience: Patience) -> AsyncGenerator[Delta | Completion, None]:
        asked = await self._calls(generation, patience)
        self._gate.check(len(asked))
        whole = replies.Assembly(generation, self.name, len(asked))
        async with aclosing(merged([self._pieces(call, patience) for call in asked])) as pieces:
            async for index, piece in pieces:
                if (delta := whole.delta(piece, index)) is not None:
                    yield delta
        if (generation.body.get("stream_options") or {}).get("include_usage"):
            yield whole.usage_delta()
        yield whole.completion()

    @property
    def process_id(self) -> int:
        """Of the worker that is ready now; 0 where there is none."""
        return self._supervisor.process_id

    async def ask(self, path: str, body: Body) -> Body:
        """A question to llama.cpp beside the operations, such as `/tokenize`. Raises as `generate`."""
        return await self._client.post(path, body, Patience(time.monotonic() + QUESTION_SECONDS, QUESTION_SECONDS))

    async def slots(self) -> list[Body]:
        """What each slot of the worker does now. Raises UpstreamError."""
        found: list[Body] = await self._client.get("/slots", QUESTION_SECONDS)
        return found

    def _check(self, generation: Generation) -> None:
        if generation.operation == "chat" and not self._talks:  # llama.cpp would take a template of another model
            raise UnsupportedError(
                f"The model of tier {self.name!r} has no chat template: it was not made for chats.",
                fix="Use completions, another model, or options = {chat_template = ...}.",
            )
        if generation.operation not in self.operations:
            raise UnsupportedError(f"Tier {self.name!r} does not do {generation.operation}.")

    def _patience(self, generation: Generation) -> Patience:
        deadline = min(generation.deadline, time.monotonic() + self._tier.timeout_s)
        return Patience(deadline, self._tier.first_byte_s)

    async def _calls(self, generation: Generation, patience: Patience) -> list[Call]:
        check_shapes(generation.body, chat=generation.operation == "chat")
        prompts = requests.prompts_of(generation)
        if suffix := generation.body.get("suffix") if generation.operation == "completions" else None:
            prompts = [await fim_prompt(self.ask, self._marks, prompt, suffix) for prompt in prompts]
        tools = bool(generation.body.get("tools")) and await self._takes_tools(patience)
        asked = requests.calls(generation, self._abilities(tools), prompts)
        for prompt in prompts:
            if isinstance(prompt, list) and len(prompt) >= self.context:
                raise ContextLengthError(f"The prompt has {len(prompt)} tokens, the model reads {self.context}.")
        return asked

    async def _takes_tools(self, patience: Patience) -> bool:
        """Whether the model's chat template has a place for tools; llama.cpp knows once it is loaded."""
        if self._tools is None:
            found = await self._client.get("/props", min(QUESTION_SECONDS, patience.left()))
            self._tools = bool((found.get("chat_template_caps") or {}).get("supports_tools"))
        return self._tools

    def _abilities(self, tools: bool) -> Abilities:
        return Abilities(
            adapters=tuple(self._adapters),
            default_adapter=self._options.adapter,
            sampling=self._options.sampling,
            reuse_prompt=not self._options.isolated,
            fixed_seed=self._options.isolated,
            tools=tools,
        )

    async def _post(self, call: Call, patience: Patience) -> Body:
        async with self._gate.enter(patience.left()):
            return await self._client.post(call.path, call.body, patience)

    async def _pieces(self, call: Call, patience: Patience) -> AsyncGenerator[tuple[int, Body], None]:
        body: dict[str, Any] = {**call.body, "stream": True, "stream_options": {"include_usage": True}}
        async with (
            self._gate.enter(patience.left()),
            aclosing(self._client.stream(call.path, body, patience)) as pieces,
        ):
            async for piece in pieces:
                yield call.choice, piece


def _settings(
    tier: TierConfig, options: Options, model: ModelFile, adapters: dict[str, ModelFile], context: int
) -> WorkerSettings:
    embeds = bool({"embeddings", "rerank"} & set(tier.operations))
    return WorkerSettings(
        model=str(model.path),
        socket="",
        key="",
        context=context,
        slots=given.slots(tier, options),
        threads=given.threads(options),
        batch=max(options.batch, context) if embeds else options.batch,  # a vector needs its text in one pass
        embeddings=embeds,
        pooling="rank" if "rerank" in tier.operations else options.pooling,
        cache_type=options.cache_type,
        flash_attention=options.flash_attention,
        reuse_prompt=not options.isolated,
        gpu_layers=options.gpu_layers,
        chat_template=options.chat_template,
        adapters=tuple(Adapter(name, str(file.path)) for name, file in adapters.items()),
    )


def open_generator(tier: TierConfig, context: EngineContext) -> LlamaCppGenerator:
    """What `open_engine` of this package does."""
    options = given.read_options(tier)
    if find_spec(RUNTIME) is None:
        raise MissingExtraError("The llama.cpp engine needs the package xllamacpp.", extra="slm")
    model = given.find_model(tier.model, context.home)
    given.check_pooling(tier, options, model)
    adapters = {name: given.find_model(place, context.home) for name, place in options.adapters.items()}
    return LlamaCppGenerator(tier, options, model, adapters)
