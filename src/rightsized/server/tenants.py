"""What each tenant has used since the server started, under a bounded number of names.

Each name is a series of the metrics for good, so that only so many tenants keep theirs. Here are the names and the sums
for people; the series are in `metrics`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rightsized.core.generation import Usage
from rightsized.core.types import Reply

NONE, OTHER = "(none)", "(other)"  # in brackets: no tenant's own name
REFUSED = 400  # the least HTTP status of a request that got no answer


class TenantLabels:
    """The first tenants that are seen keep their names; all further ones share a label.

    Args:
        most: how many keep their names.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def of(self, tenant: str) -> str:
        """The label of a tenant; of a request that has none, too."""
        if not tenant:
            return NONE
        if tenant not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(tenant)
        return tenant


@dataclass
class TenantUse:
    """One label's sums. `unanswered` of the requests got an error; `certified` of the replies are under a promise.

    `handed_up` texts went to a person; tokens are those of answers given, `cost` US dollars with drafts included.
    """

    tenant: str
    requests: int = 0
    unanswered: int = 0
    replies: int = 0
    certified: int = 0
    handed_up: int = 0
    tokens: int = 0
    cost: float = 0.0


@dataclass
class TenantUses:
    """Sums by label: as many as there are labels, and the two in brackets."""

    _uses: dict[str, TenantUse] = field(default_factory=dict)

    def request(self, label: str, status: int) -> None:
        """Count one request."""
        use = self._of(label)
        use.requests += 1
        use.unanswered += status >= REFUSED

    def reply(self, label: str, reply: Reply) -> None:
        """Count one text, answered or handed to a person."""
        use = self._of(label)
        use.replies += 1
        use.certified += reply.certified
        use.handed_up += reply.status == "abstained"
        use.cost += max(reply.cost, 0.0)

    def wrote(self, label: str, usage: Usage) -> None:
        """Count the tokens of one answer."""
        self._of(label).tokens += usage.prompt_tokens + usage.completion_tokens

    def all(self) -> list[TenantUse]:
        """Every label's sums so far, those that asked most first."""
        return sorted(map(replace, self._uses.values()), key=lambda use: (-use.requests, use.tenant))

    def _of(self, label: str) -> TenantUse:
        use = self._uses.get(label)
        if use is None:
            use = self._uses[label] = TenantUse(label)
        return use
