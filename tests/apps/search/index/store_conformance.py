"""What every store of collections must do. Subclass `StoreConformance` and give it the fixture `backend`.

The tests speak the protocols of `index/backend.py` and no SQL: a store on a database server passes the same ones.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

import numpy as np
import pytest
from msgspec.structs import replace

from rightsized.apps.search.index.backend import StoreReader, StoreWriter
from rightsized.apps.search.index.kernels import quantised
from rightsized.apps.search.index.records import Content, Fresh, Member, Put
from rightsized.apps.search.types import DeadLetter, Item, Passage
from rightsized.core.errors import HomeLockedError
from rightsized.parsers.types import Block, Box, Line, Parsed

DIMENSION = 8
RECIPE = "plain-1"
SOURCE = "folder:/srv"


class Backend(Protocol):
    """One place for a collection: opened again and again."""

    def writer(self) -> StoreWriter: ...

    def reader(self) -> StoreReader: ...


def fresh(text: str, passages: int = 3, **more: object) -> Fresh:
    """A content whose passages are its lines."""
    lines = [f"{text} {number}" for number in range(passages)]
    whole = "\n".join(lines)
    cut, at = [], 0
    for number, line in enumerate(lines):
        cut.append(Passage(number, at, at + len(line), line, f"Title\n{line}", ("One", "Two"), "a\tb", 1, "1.2"))
        at += len(line) + 1
    parsed = Parsed(whole, title="Title", blocks=(Block("paragraph", 0, len(whole)),), metadata={"author": "Ana"})
    parsed = replace(parsed, lines=(Line(0, 3, Box(1, 0.0, 1.0, 2.0, 3.0)),), notes=("one image",), **more)
    return Fresh(hashlib.sha256(whole.encode()).hexdigest(), RECIPE, "text/plain", "en", parsed, tuple(cut))


def item(key: str, version: str = "1", *principals: str) -> Item:
    return Item(key, version, 10, 1000.0, principals or ("everyone",), {"folder-owner": "x"})


def add(writer: StoreWriter, content: Fresh, encoder: int, members: tuple[Member, ...] = ()) -> Content:
    """Store a content whole."""
    made = writer.add_content(content)
    rows, scales = vectors(len(content.passages), made.number)
    for at in writer.lacking(made.number, encoder):
        writer.add_vectors(encoder, [(made.number, at, rows[at : at + 256], scales[at : at + 256])])
    writer.complete(made.number, members)
    return made


def vectors(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return quantised(np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32))


class StoreConformance:
    """Tests that a store passes."""

    def test_a_content_comes_back_as_it_was(self, backend: Backend) -> None:
        writer = backend.writer()
        encoder = writer.encoder("sha256:e", DIMENSION)
        content = fresh("Straße 契約 " * 9000, 5, date=5.0, pages=7)
        made = add(writer, content, encoder)
        writer.put_documents(writer.source(SOURCE), [Put(item("a/b.txt"), made.number, "", "a/b.txt")])
        writer.close()
        reader = backend.reader()
        (number,) = reader.columns().documents.tolist()
        ((document, of),) = reader.documents([number]).values()
        assert of == made.number
        assert reader.numbers([document.id, "absent"]) == [number]
        assert (document.key, document.source, document.title) == ("a/b.txt", SOURCE, "Title")
        assert (document.content, document.date, document.pages) == (content.sha256, 5.0, 7)
        assert document.metadata == {"author": "Ana", "folder-owner": "x"}
        assert (document.principals, document.notes, document.parent) == (("everyone",), ("one image",), "")
        assert reader.text(of) == content.parsed.text
        assert reader.layout(of) == (content.parsed.blocks, content.parsed.lines)
        assert [passage for _, passage in reader.passages(of)] == list(content.passages)
        rows = [row for row, _ in reader.passages(of)]
        assert rows == list(range(rows[0], rows[0] + 5))
        assert reader.passages(of, [3, 1]) == [reader.passages(of)[1], reader.passages(of)[3]]
        assert reader.passages_at([rows[4], 1 << 40, rows[1]]) == {
            rows[1]: content.passages[1],
            rows[4]: content.passages[4],
        }
        assert reader.first_rows([of]) == {of: rows[0]}
        entry = reader.entry(of)
        assert entry is not None
        assert (entry.rows, list(entry.texts)) == (rows, [passage.indexed for passage in content.passages])
        (stretch,) = reader.vectors("sha256:e", [of])
        assert np.array_equal(stretch.vectors, vectors(5, of)[0])
        assert reader.counts() == (1, 5)
        fields = dict(reader.fields())[number]
        assert {"author": "Ana", "source": SOURCE, "type": "text/plain", "folder": "a"}.items() <= fields.items()
        reader.close()

    def test_nothing_is_seen_before_it_is_complete(self, backend: Backend) -> None:
        writer, reader = backend.writer(), backend.reader()
        encoder = writer.encoder("sha256:e", DIMENSION)
        content = fresh("long", 600)
        made = writer.add_content(content)
        assert writer.lacking(made.number, encoder) == [0, 256, 512]
        rows, scales = vectors(600, 1)
        writer.add_vectors(encoder, [(made.number, 256, rows[256:512], scales[256:512])])
        assert writer.lacking(made.number, encoder) == [0, 512]
        assert (reader.columns().contents.tolist(), reader.changed(0)) == ([], [])
        known = reader.content(content.sha256, RECIPE)
        assert known == Content(made.number, False, 600)
        assert reader.content(content.sha256, "other") is None
        writer.close()
        writer = backend.writer()
        for at in writer.lacking(made.number, encoder):
            writer.add_vectors(encoder, [(made.number, at, rows[at : at + 256], scales[at : at + 256])])
        writer.complete(made.number)
        assert reader.columns().contents.tolist() == [made.number]
        assert np.array_equal(np.vstack([s.vectors for s in reader.vectors("sha256:e", [made.number])]), rows)
        for one in (writer, reader):
            one.close()

    def test_a_transaction_is_all_or_nothing(self, backend: Backend) -> None:
        writer, reader = backend.writer(), backend.reader()
        before = reader.state()
        with pytest.raises(ZeroDivisionError), writer.transaction():
            add(writer, fresh("a"), writer.encoder("sha256:e", DIMENSION))
            raise ZeroDivisionError
        assert reader.state() == before
        assert writer.content(fresh("a").sha256, RECIPE) is None
        with writer.transaction():
            add(writer, fresh("a"), writer.encoder("sha256:e", DIMENSION))
            assert reader.columns().contents.tolist() == []
        assert len(reader.columns().contents) == 1
        for one in (writer, reader):
            one.close()

    def test_documents_share_contents_and_keep_their_ids(self, backend: Backend) -> None:
        writer = backend.writer()
        reader, source, encoder = writer.reader, writer.source(SOURCE), writer.encoder("sha256:e", DIMENSION)
        first, second = add(writer, fresh("a"), encoder).number, add(writer, fresh("b"), encoder).number
        puts = [Put(item("one", "1", "user:a"), first, "", "one"), Put(item("two", "1", "user:b"), first, "", "two")]
        writer.put_documents(source, puts)
        entry = reader.entry(first)
        assert entry is not None
        assert {reader.classes()[number] for number in entry.classes} == {("user:a",), ("user:b",)}
        listed = writer.listed(source)
        assert (listed["one"].principals, listed["one"].recipe) == (("user:a",), RECIPE)
        ids = {key: reader.documents([old.number])[old.number][0].id for key, old in listed.items()}
        generation = reader.state().generation
        writer.put_documents(source, [Put(item("moved", "2", "user:a"), first, "", "one")])
        writer.put_documents(source, [Put(item("two", "2", "user:b"), second, "", "two")])
        assert set(reader.changed(generation)) == {first, second}
        found = {d.key: d.id for d, _ in reader.documents(reader.columns().documents.tolist()).values()}
        assert found == {"moved": ids["one"], "two": ids["two"]}
        writer.put_documents(source, [Put(item("moved", "3", "user:a"), second, "", "moved")])
        assert reader.content(fresh("a").sha256, RECIPE) is None
        assert reader.gone(generation) == [first]
        writer.close()

    def test_what_is_inside_goes_with_what_it_is_inside_of(self, backend: Backend) -> None:
        writer = backend.writer()
        reader, source, encoder = writer.reader, writer.source(SOURCE), writer.encoder("sha256:e", DIMENSION)
        child = add(writer, fresh("child"), encoder).number
        members = (Member("in.txt", child, 5), Member("torn.pdf", 0, 9, "malformed", "It is torn."))
        mail = add(writer, fresh("mail"), encoder, members).number
        assert reader.members(mail) == sorted(members)
        puts = [Put(item("m"), mail, "", "m"), Put(item("m!/in.txt"), child, "m", "m!/in.txt")]
        writer.put_documents(source, puts)
        listed = writer.listed(source)
        assert listed["m!/in.txt"].parent == listed["m"].number
        inner, _ = reader.documents([listed["m!/in.txt"].number])[listed["m!/in.txt"].number]
        outer, _ = reader.documents([listed["m"].number])[listed["m"].number]
        assert inner.parent == outer.id
        assert writer.sweep() == 0
        writer.delete_documents([old.number for old in listed.values()])
        assert reader.counts() == (0, 0)
        assert (reader.content(fresh("mail").sha256, RECIPE), reader.entry(child)) == (None, None)
        assert set(reader.gone(0)) == {mail, child}
        writer.close()

    def test_numbers_are_never_used_again(self, backend: Backend) -> None:
        writer = backend.writer()
        source, encoder = writer.source(SOURCE), writer.encoder("sha256:e", DIMENSION)
        first = add(writer, fresh("a"), encoder)
        row = writer.reader.first_rows([first.number])[first.number]
        writer.put_documents(source, [Put(item("a"), first.number, "", "a")])
        writer.delete_documents([writer.listed(source)["a"].number])
        writer.reclaim()
        second = add(writer, fresh("b"), encoder)
        assert second.number > first.number
        assert writer.reader.first_rows([second.number])[second.number] >= row + 3
        writer.close()

    def test_what_an_interrupted_sync_left_is_swept(self, backend: Backend) -> None:
        writer = backend.writer()
        encoder = writer.encoder("sha256:e", DIMENSION)
        half = writer.add_content(fresh("half"))
        whole = add(writer, fresh("whole"), encoder)
        writer.drop_content(whole.number)  # complete: stays
        assert writer.sweep() == 2
        assert writer.reader.content(fresh("half").sha256, RECIPE) is None
        assert half.number not in writer.reader.gone(0)  # no sidecar ever held it
        assert writer.sweep() == 0
        writer.close()

    def test_vectors_of_known_texts_are_found(self, backend: Backend) -> None:
        writer = backend.writer()
        encoder, other = writer.encoder("sha256:e", DIMENSION), writer.encoder("sha256:f", DIMENSION)
        content = fresh("long", 300)
        made = add(writer, content, encoder)
        rows, scales = vectors(300, made.number)
        asked = [content.passages[299].indexed, "never seen", content.passages[0].indexed]
        found = writer.known_vectors(encoder, DIMENSION, asked)
        assert sorted(found) == [0, 2]
        assert np.array_equal(found[0][0], rows[299])
        assert found[2][1] == scales[0]
        assert writer.known_vectors(other, DIMENSION, asked) == {}
        writer.close()

    def test_another_encoder_serves_after_one_step(self, backend: Backend) -> None:
        writer = backend.writer()
        reader = writer.reader
        first = writer.encoder("sha256:e", DIMENSION)
        assert reader.state().serving == "sha256:e"
        made = add(writer, fresh("a"), first)
        second = writer.encoder("sha256:f", DIMENSION)
        assert reader.state().serving == "sha256:e"
        assert reader.unembedded(second) == [made.number]
        writer.add_vectors(second, [(made.number, 0, *vectors(3, 9))])
        assert reader.unembedded(second) == []
        generation = reader.state().generation
        writer.serve(second)
        assert (reader.state().serving, reader.encoder("sha256:e")) == ("sha256:f", (0, 0))
        assert reader.state().generation > generation
        assert [s.content for s in reader.vectors("sha256:f", [made.number])] == [made.number]
        assert list(reader.vectors("sha256:e", [made.number])) == []
        writer.close()

    def test_dead_letters_are_kept_until_they_are_revived(self, backend: Backend) -> None:
        writer = backend.writer()
        source, reader = writer.source(SOURCE), writer.reader
        letters = [DeadLetter(SOURCE, key, "1", "encrypted", "Locked.", 5.0) for key in ("a", "a!/b", "a%", "ab")]
        for letter in letters:
            writer.bury(source, letter)
        writer.bury(source, replace(letters[3], detail="Locked still."))
        assert [letter.detail for letter in reader.dead(SOURCE)] == ["Locked."] * 3 + ["Locked still."]
        assert reader.dead("other") == []
        writer.revive_family(source, "a", "!/")
        assert [letter.key for letter in reader.dead()] == ["a%", "ab"]
        writer.revive(source, ["ab", "absent"])
        assert [letter.key for letter in reader.dead()] == ["a%"]
        writer.close()

    def test_sources_tell_when_they_were_gone_through(self, backend: Backend) -> None:
        writer = backend.writer()
        source = writer.source(SOURCE)
        assert writer.source(SOURCE) == source != writer.source("other")
        assert writer.reader.sources() == {SOURCE: 0.0, "other": 0.0}
        writer.synced(source)
        assert writer.reader.sources()[SOURCE] > 1e9
        writer.close()

    def test_there_is_one_writer_and_readers_do_not_wait(self, backend: Backend) -> None:
        writer, reader = backend.writer(), backend.reader()
        with pytest.raises(HomeLockedError):
            backend.writer()
        with writer.transaction():
            writer.source("new")
            assert reader.sources() == {}
        assert list(reader.sources()) == ["new"]
        writer.close()
        backend.writer().close()
        reader.close()
