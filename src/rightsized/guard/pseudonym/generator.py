"""A model that is shown placeholders in place of personal data, and whose answers come back with the values.

It stands around one tier's engine, below everything else: checks, the record and every API see the text restored.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec

from rightsized.core.errors import EgressDeniedError, IntegrityError, UnsupportedError
from rightsized.core.generation import Completion, EngineStatus, Generation, Generator, Operation, Piece
from rightsized.core.pii import Detector
from rightsized.core.pseudonyms import PseudonymConfig
from rightsized.core.streams import closing
from rightsized.guard.pseudonym.answers import Answers
from rightsized.guard.pseudonym.rewrite import Sent, hide
from rightsized.guard.pseudonym.streams import PieceRestorer
from rightsized.guard.pseudonym.vault import NamingKeys


class Pseudonymised:
    """A generator behind pseudonymising. What cannot be pseudonymised for certain is not sent.

    Args:
        inner: the tier's engine.
        detector: finds what to hide.
        naming: keys of conversations, where the settings ask for placeholders that last as long as one.
    """

    def __init__(
        self,
        inner: Generator,
        detector: Detector,
        config: PseudonymConfig | None = None,
        *,
        naming: NamingKeys | None = None,
    ) -> None:
        self._inner, self._detector, self._config = inner, detector, config or PseudonymConfig()
        self._naming = naming or NamingKeys()

    @property
    def name(self) -> str:
        return self._inner.name

    @functools.cached_property
    def digest(self) -> str:
        """Over the model, the detector and the settings: other placeholders may give other answers."""
        parts = ["pseudonymised", self._inner.digest, self._detector.digest, self._config]
        return "sha256:" + hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()

    @property
    def on_premises(self) -> bool:
        return self._inner.on_premises

    @property
    def operations(self) -> frozenset[Operation]:
        return self._inner.operations

    @property
    def context(self) -> int:
        return self._inner.context

    async def generate(self, generation: Generation) -> Completion:
        """The whole answer, with its values.

        Raises as `Generator.generate`; EgressDeniedError and UnsupportedError where nothing was sent because it could
        not be pseudonymised for certain; IntegrityError where the answer cannot be put right.
        """
        sent = await self._hide(generation)
        try:
            if not len(sent.vault):
                return await self._inner.generate(generation)
            completion = await self._inner.generate(_with_body(generation, sent))
            return Answers(generation, sent).whole(completion)
        finally:
            sent.vault.close()

    async def stream(self, generation: Generation) -> AsyncIterator[Piece | Completion]:
        """Pieces with their values, then the Completion. Raises as `generate`."""
        sent = await self._hide(generation)
        try:
            clear = not len(sent.vault)
            inner = self._inner.stream(generation if clear else _with_body(generation, sent))
            async with closing(inner if clear else _restored(inner, generation, sent)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            sent.vault.close()

    async def _hide(self, generation: Generation) -> Sent:
        naming = None
        if self._config.scope == "conversation":
            naming = self._naming.of(generation.conversation)
        try:
            return await hide(generation, self._detector, self._config, naming)
        except IntegrityError as error:
            raise EgressDeniedError(f"{error.message} So nothing was sent.") from None
        except UnsupportedError as error:
            error.sent = False
            raise
        except RecursionError:
            raise EgressDeniedError("The request nests JSON too deep to be searched, so nothing was sent.") from None

    async def start(self) -> None:
        """Open the detector and the engine. Raises what makes either unusable for good."""
        await asyncio.to_thread(lambda: self._detector.digest)
        await self._inner.start()

    async def close(self) -> None:
        await self._inner.close()

    def status(self) -> EngineStatus:
        return self._inner.status()


def _with_body(generation: Generation, sent: Sent) -> Generation:
    return msgspec.structs.replace(generation, body=sent.body)


async def _restored(
    inner: AsyncIterator[Piece | Completion], generation: Generation, sent: Sent
) -> AsyncGenerator[Piece | Completion, None]:
    answers = Answers(generation, sent)
    restorer = PieceRestorer(answers, chat=generation.operation == "chat")
    async with closing(inner) as pieces:
        async for piece in pieces:
            if isinstance(piece, Completion):
                if (rest := restorer.end()) is not None:
                    yield rest
                yield answers.whole(piece)
            elif (given := restorer.feed(piece)) is not None:
                yield given
