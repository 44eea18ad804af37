"""What went wrong with single messages, and when one is given up, so that it holds up no other.

The difficulty is an outage: while nothing comes through, no message is to blame, however often it failed.
"""

from __future__ import annotations

from rightsized.apps.triage.imap.session import DroppedError, RefusedError

REFUSALS = 3  # by the server's own word
DROPS = 3  # of the connection, since others came through
DROPS_ALONE = 12  # where no other came through: about seven minutes


class _Trouble:
    """With one message. `delivered`: messages handed over before it began; `begun`: bytes of it that came."""

    def __init__(self, delivered: int) -> None:
        self.delivered, self.said = delivered, ""
        self.refused = self.dropped = self.begun = self.heads = 0
        self.blamed = False


class Troubles:
    """Counts the failures of messages that were fetched by themselves."""

    def __init__(self) -> None:
        self._found: dict[int, _Trouble] = {}

    def note(self, uid: int, error: DroppedError | RefusedError, *, begun: int, delivered: int) -> bool:
        """Note a failure. True where the others should come first now.

        Args:
            begun: bytes of it that were received so far.
            delivered: messages that were handed over so far.
        """
        one = self._found.setdefault(uid, _Trouble(delivered))
        one.said = str(error)
        if isinstance(error, RefusedError):
            one.refused += 1
        elif begun > one.begun:
            one.begun, one.dropped = begun, 0  # it came further than before
        else:
            if not one.blamed and delivered > one.delivered:
                one.blamed, one.dropped = True, 0  # others come through again, so what counts begins here
            one.dropped += 1
        return one.refused + one.dropped > 1

    def hopeless(self, uid: int) -> str:
        """Why a message is given up, in the server's words; empty where it is not."""
        one = self._found.get(uid)
        if one is None or (one.refused < REFUSALS and one.dropped < (DROPS if one.blamed else DROPS_ALONE)):
            return ""
        return one.said

    def may_ask_header(self, uid: int, tries: int) -> bool:
        """Whether the header of a message that cannot be had may be asked for; that too may fail."""
        one = self._found.setdefault(uid, _Trouble(0))
        one.heads += 1
        return one.heads <= tries

    def forget(self, uid: int) -> None:
        """It was handed over, or is gone."""
        self._found.pop(uid, None)

    def clear(self) -> None:
        """Forget them all."""
        self._found.clear()
