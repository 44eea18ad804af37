"""Names of tenants as labels of metrics: a bounded number of them, since each label is a series for good."""

from __future__ import annotations

NONE, OTHER = "(none)", "(other)"  # in brackets: no tenant's own name


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
