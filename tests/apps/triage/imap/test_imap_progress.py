"""How far a folder was taken in, when messages are given up, and how long a pause is: without a server."""

from __future__ import annotations

import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from rightsized.apps.triage.imap.pauses import LONGEST_PAUSE_S, Wake, pause
from rightsized.apps.triage.imap.progress import Progress
from rightsized.apps.triage.imap.session import DroppedError, RefusedError
from rightsized.apps.triage.imap.troubles import DROPS, DROPS_ALONE, REFUSALS, Troubles


@given(st.lists(st.integers(1, 60), unique=True, max_size=20), st.data())
def test_the_mark_never_passes_what_is_not_done(uids: list[int], data: st.DataObject) -> None:
    """Found in order, done in any order, with ends in between: all that is not done is above the mark, all else is not
    looked at again once everything is done."""
    uids.sort()
    progress, done = Progress("7/0"), set()
    progress.begin(7)
    order = data.draw(st.permutations(uids))
    for uid in uids:
        assert progress.found(uid)
    for number, uid in enumerate(order):
        done.add(uid)
        progress.done(uid)
        progress.done(uid)
        mark = int(progress.kept().split("/")[1])
        left = [one for one in uids if one not in done]
        assert mark < min(left, default=61)
        if number == len(order) // 2:  # looked for again, in the same process
            progress.rewind()
            assert [one for one in uids if one > progress.top and progress.found(one)] == left
    assert progress.kept() == f"7/{max(uids, default=0)}"


def test_other_numbers_begin_anew() -> None:
    progress = Progress("7/30")
    assert not progress.begin(7)
    assert progress.top == 30
    assert progress.begin(8)
    assert progress.top == 0
    assert progress.uid("7/31") == 0
    assert progress.uid(progress.place(5)) == 5
    assert progress.uid("x") == progress.uid("8/x") == 0
    assert Progress("nonsense").kept() == Progress("").kept() == ""


def test_a_message_is_given_up_when_it_alone_fails() -> None:
    troubles, drop = Troubles(), DroppedError("gone")
    for number in range(DROPS_ALONE - 1):  # nothing else came through
        assert troubles.note(1, drop, begun=0, delivered=5) == (number > 0)
        assert not troubles.hopeless(1)
    for _ in range(DROPS - 1):  # others do now: what counts begins here
        troubles.note(1, drop, begun=0, delivered=6)
        assert not troubles.hopeless(1)
    troubles.note(1, drop, begun=0, delivered=6)
    assert troubles.hopeless(1) == "gone"
    troubles.forget(1)
    assert not troubles.hopeless(1)


def test_a_message_is_given_up_by_the_servers_word_or_after_many_drops() -> None:
    troubles = Troubles()
    for _ in range(REFUSALS):
        assert not troubles.hopeless(1)
        troubles.note(1, RefusedError("[SERVERBUG] no"), begun=0, delivered=0)
    assert troubles.hopeless(1) == "[SERVERBUG] no"
    for number in range(3 * DROPS_ALONE):  # a message that comes further each time is not
        troubles.note(2, DroppedError("gone"), begun=number + 1, delivered=number)
    assert not troubles.hopeless(2)
    for _ in range(DROPS_ALONE):
        troubles.note(3, DroppedError("gone"), begun=0, delivered=0)
    assert troubles.hopeless(3) == "gone"
    assert [troubles.may_ask_header(4, 2) for _ in range(3)] == [True, True, False]
    assert RefusedError("FETCH failed: [UNAVAILABLE] later").code == "UNAVAILABLE"


def test_pauses_grow_to_a_bound_and_differ() -> None:
    for failures in range(1, 200):
        assert 0.5 * min(2 ** (failures - 1), LONGEST_PAUSE_S) <= pause(failures) <= LONGEST_PAUSE_S
    assert len({pause(3) for _ in range(20)}) > 1


def test_a_wait_ends_when_it_rings() -> None:
    wake = Wake()
    begun = time.monotonic()
    threading.Timer(0.05, wake.ring).start()
    wake.wait(60)
    for _ in range(100_000):  # more than a pipe holds
        wake.ring()
    wake.wait(60)
    wake.hush()
    wake.wait(0.01)
    assert time.monotonic() - begun < 30
    wake.close()
    wake.close()
    wake.ring()
