"""`Policy(inner)`: no request reaches what answers before the policy has ruled on it, and its verdicts leave with it.

A request denied as a whole raises ForbiddenError. Destinations denied travel on in `Generation.vetoes`, which the
cascade asks on every path: by name, by fallback, in a conversation, out of the cache. Verdicts stand in the reply, and
on the error where there is none, so that the recorder keeps them either way.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import msgspec

from rightsized.core.egress import DECISION
from rightsized.core.errors import ForbiddenError, RightsizedError
from rightsized.core.generation import Piece
from rightsized.core.protocols import Answerer
from rightsized.core.streams import closing
from rightsized.core.types import Begun, Reply, Request
from rightsized.core.verdicts import Verdict
from rightsized.guard.policy.rulebook import HERE, Destination, Rulebook, Ruling, facts_of
from rightsized.guard.policy.store import PolicyStore


class Policy(Answerer):
    """An answerer behind the policy in force.

    Args:
        store: where the policy in force is; a change there holds from the next request on.
        destinations: where `inner` may send a request; one place, this machine, for tasks.
    """

    def __init__(self, inner: Answerer, store: PolicyStore, destinations: Sequence[Destination] = (HERE,)) -> None:
        self._inner, self._store, self._destinations = inner, store, tuple(destinations)
        self._book: Rulebook | None = None

    def rule(self, request: Request) -> Ruling | None:
        """What the policy says of a request; None where there is no policy."""
        policy = self._store.current
        if policy is None:
            return None
        book = self._book
        if book is None or book.policy is not policy:
            book = self._book = Rulebook(policy, self._destinations)
        return book.rule(facts_of(request, self._store.undeclared))

    async def answer(self, request: Request) -> Reply:
        """Rule, then ask. Raises ForbiddenError, and what the answerer raises."""
        DECISION.set(request.id)
        ruling = self.rule(request)
        if ruling is None:
            return await self._inner.answer(request)
        asked = admitted(request, ruling)
        try:
            reply = await self._inner.answer(asked)
        except RightsizedError as error:
            marked(error, ruling)
            raise
        return _with_verdicts(reply, ruling)

    async def stream(self, request: Request) -> AsyncGenerator[Begun | Piece | Reply, None]:
        """As `answer`, in pieces."""
        DECISION.set(request.id)
        ruling = self.rule(request)
        asked = request if ruling is None else admitted(request, ruling)
        try:
            async with closing(self._inner.stream(asked)) as pieces:
                async for piece in pieces:
                    yield piece if ruling is None or not isinstance(piece, Reply) else _with_verdicts(piece, ruling)
        except RightsizedError as error:
            if ruling is not None:
                marked(error, ruling)
            raise


def admitted(request: Request, ruling: Ruling) -> Request:
    """The request with the destinations it must not reach. Raises ForbiddenError where nothing may have it."""
    if ruling.denied is not None:
        raise marked(denial(ruling.denied), ruling)
    generation = request.generation
    if not ruling.vetoes:
        return request
    if generation is None:
        raise marked(denial(next(one for one in ruling.verdicts[1:] if one.effect == "deny")), ruling)
    return msgspec.structs.replace(request, generation=msgspec.structs.replace(generation, vetoes=ruling.vetoes))


def denial(verdict: Verdict) -> ForbiddenError:
    """The refusal of a whole request, with the rule that asks for it."""
    why = f": {verdict.reason.rstrip('.')}" if verdict.reason else ""
    return ForbiddenError(
        f"The policy does not allow this request; rule {verdict.rule}{why}.",
        fix="See: rightsized policy explain. Whoever keeps policy.toml can change the rule.",
    )


def marked(error: RightsizedError, ruling: Ruling) -> RightsizedError:
    """The same error, carrying what the policy said, for the record."""
    error.verdicts, error.policy = (*ruling.verdicts, *error.verdicts), ruling.policy
    return error


def _with_verdicts(reply: Reply, ruling: Ruling) -> Reply:
    return msgspec.structs.replace(reply, verdicts=(*ruling.verdicts, *reply.verdicts), policy=ruling.policy)
