"""API keys: only digests on disk, expiry, revocation, rotation with an overlap, and changes seen at once."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from rightsized.core.errors import InputError, IntegrityError, NotFoundError
from rightsized.store.home import Home
from rightsized.store.keys import LOOK_SECONDS, ROLE_OF_SCOPE, KeyStore, Limits

DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> KeyStore:
    return KeyStore(Home(tmp_path), clock=clock)


def test_a_key_says_as_whom_it_sees_documents(tmp_path: Path) -> None:
    store = KeyStore(Home(tmp_path))
    key, shown = store.create("search box", principals=("user:anna", "group:legal", "user:anna"))
    found = KeyStore(Home(tmp_path)).find(shown)
    assert found is not None and found.principals == key.principals == ("user:anna", "group:legal")
    with pytest.raises(InputError, match="'anna' is no principal"):
        store.create("search box", principals=("anna",))


def test_the_file_holds_no_key_and_only_its_owner_reads_it(store: KeyStore, tmp_path: Path) -> None:
    key, shown = store.create("bot", tenant="billing", limits=Limits(requests_per_minute=5))
    file = tmp_path / "keys.json"
    secret = shown.rpartition(key.id + "-")[2]
    assert len(secret) == 43  # 256 bits
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert store.find(shown) == key


@pytest.mark.parametrize("presented", ["", "rs", "rs-", "rs--", "rs-000000000000-x", "sk-abc", "rs-\ud800-x", "é"])
def test_what_is_no_key_finds_none(store: KeyStore, presented: str) -> None:
    store.create("bot")
    assert store.find(presented) is None


def test_a_key_expires_and_can_be_revoked(store: KeyStore, clock: Clock) -> None:
    key, _ = store.create("bot", days=2)
    assert key.state(clock.now + 2 * DAY - 1) == "valid"
    assert key.state(clock.now + 2 * DAY) == "expired"
    assert store.revoke(key.id).state(clock.now) == "revoked"
    with pytest.raises(InputError, match="revoked"):
        store.rotate(key.id)


def test_rotation_leaves_the_old_secret_for_a_while(store: KeyStore, clock: Clock) -> None:
    key, old = store.create("bot")
    _, new = store.rotate(key.id, overlap_hours=1)
    assert store.find(old) is not None
    assert store.find(new) is not None
    clock.now += 3600
    assert store.find(old) is None
    assert store.find(new) is not None
    _, newest = store.rotate(key.id, overlap_hours=0)
    assert store.find(new) is None
    assert store.find(newest) is not None


def test_another_process_sees_a_change_within_a_moment(tmp_path: Path, store: KeyStore) -> None:
    server = KeyStore(Home(tmp_path))
    assert server.all() == []
    key, shown = store.create("bot")
    time.sleep(LOOK_SECONDS * 1.1)
    found = server.find(shown)
    assert found is not None
    store.revoke(key.id)
    time.sleep(LOOK_SECONDS * 1.1)
    found = server.find(shown)
    assert found is not None
    assert found.revoked is not None


def test_keys_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    makers = [threading.Thread(target=KeyStore(Home(tmp_path)).create, args=(f"bot {k}",)) for k in range(12)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len({key.name for key in KeyStore(Home(tmp_path)).all()}) == 12


def test_wrong_wishes_are_refused(store: KeyStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a name"):
        store.create(" ")
    with pytest.raises(InputError, match="above 0"):
        store.create("bot", days=0)
    with pytest.raises(InputError, match="above 0"):
        store.create("bot", limits=Limits(budget_usd=-1))
    with pytest.raises(NotFoundError, match="abc"):
        store.revoke("abc")
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(IntegrityError, match=r"keys\.json"):
        store.all()


def test_a_file_with_scopes_is_read_as_roles_and_rewritten_with_them(tmp_path: Path, store: KeyStore) -> None:
    """Files of before there were roles: ask is client, review is reviewer, admin is admin."""
    made = {scope: store.create(scope, roles=(role,)) for scope, role in ROLE_OF_SCOPE.items()}
    file = tmp_path / "keys.json"
    text = file.read_text().replace('"roles"', '"scopes"')
    for scope, role in ROLE_OF_SCOPE.items():
        text = text.replace(f'"{role}"\n', f'"{scope}"\n')
    assert text.count('"scopes"') == 3
    file.write_text(text)
    later = KeyStore(Home(tmp_path))
    for scope, (_, shown) in made.items():
        found = later.find(shown)
        assert found is not None
        assert (found.name, found.roles) == (scope, (ROLE_OF_SCOPE[scope],))
    later.revoke(made["ask"][0].id)
    assert '"scopes"' not in file.read_text()


def test_an_unknown_role_is_no_key_file(tmp_path: Path, store: KeyStore) -> None:
    store.create("bot")
    file = tmp_path / "keys.json"
    file.write_text(file.read_text().replace('"client"', '"boss"'))
    with pytest.raises(IntegrityError, match="boss"):
        KeyStore(Home(tmp_path)).all()
