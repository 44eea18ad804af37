"""What a row of a calibration says of its request beside the words: how it would be declared in service.

Which tier may be asked depends on it. A row that says nothing is a request that says nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rightsized.core.errors import DataError
from rightsized.core.generation import DATA_CLASSES, DataClass, Generation, GivenTests
from rightsized.core.roles import LOCAL_ADMIN
from rightsized.core.types import Frozen, Request

FIELDS = ("data_class", "region", "tenant", "key", "roles", "max_tokens")


class Declared(Frozen, frozen=True):
    """What a request says, or its key says for it; empty where nothing was said.

    `max_tokens` counts against what a tier reads.
    """

    data_class: DataClass | None = None
    region: str = ""
    tenant: str = ""
    key: str = ""
    roles: tuple[str, ...] = ()
    max_tokens: int = 0

    def request(self, task: str, generation: Generation, undeclared: DataClass) -> Request:
        """The request to `task` that says this; `undeclared` is the class of one that names none."""
        body = generation.body | ({"max_tokens": self.max_tokens} if self.max_tokens else {})
        asked = msgspec.structs.replace(
            generation, body=body, data_class=self.data_class or undeclared, region=self.region
        )
        text = msgspec.json.encode(body).decode()
        roles = self.roles or LOCAL_ADMIN.roles
        return Request(task, text, generation=asked, tenant=self.tenant, key=self.key, roles=roles)


NOTHING = Declared()


def declared_of(given: dict[str, Any], where: str) -> Declared:
    """What a row declares. `where` names the row in errors. Raises DataError."""
    said = {name: given[name] for name in FIELDS if given.get(name) not in (None, "")}
    if not said:
        return NOTHING
    try:
        found = msgspec.convert(said, Declared)
    except msgspec.ValidationError as error:
        raise DataError(
            f"{where}: what it declares cannot be read: {error}.",
            fix=f"data_class is one of {', '.join(DATA_CLASSES)}; roles is a list; max_tokens a whole number.",
        ) from None
    if found.max_tokens < 0:
        raise DataError(f"{where}: max_tokens is {found.max_tokens}, below 0.")
    return found


def tests_of(value: object, where: str) -> GivenTests | None:
    """The tests of a row: a text, or an object with `code` and `language`. `where` names the row. Raises DataError."""
    if value in (None, "", {}):
        return None
    try:
        found = msgspec.convert({"code": value} if isinstance(value, str) else value, GivenTests)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}: its tests cannot be read: {error}.", fix='Give "tests": the code of them.') from None
    if not found.code.strip():
        raise DataError(f"{where}: its tests are empty.")
    return found
