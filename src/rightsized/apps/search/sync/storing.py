"""Stores trees of documents: contents, vectors in stretches, and last, in one step, the documents that show them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from rightsized.apps.search.index.backend import StoreWriter
from rightsized.apps.search.index.originals import SEPARATOR
from rightsized.apps.search.index.reader import STRETCH
from rightsized.apps.search.index.records import Content, Fresh, Listed, Member, Put
from rightsized.apps.search.sync.embedding import Embedder
from rightsized.apps.search.sync.plan import Known, mark
from rightsized.apps.search.sync.reading import Node
from rightsized.apps.search.types import DeadLetter, Item


class Counts(NamedTuple):
    """What happened to the outermost documents of a batch."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    failed: int = 0
    passages: int = 0


class Batch:
    """Trees that are committed together. Made for one source."""

    def __init__(self, writer: StoreWriter, embedder: Embedder, source: tuple[int, str], recipe: str) -> None:
        self._writer = writer
        self._embed = embedder
        self._source, self._name = source
        self._recipe = recipe

    def store(
        self,
        trees: Sequence[Node],
        known: Known,
        movable: dict[str, list[str]],
        stopped: Callable[[], bool],
    ) -> Counts | None:
        """Store trees whole; None where it was stopped, and then none of them is visible.

        Args:
            trees: what was read.
            known: the source's documents before this sync, by key.
            movable: keys that the source no longer lists, by sha256; those that are taken as moved are removed.
            stopped: asked between groups of texts.
        """
        nodes = [node for tree in trees for node in _walk(tree)]
        before = self._embed.encoded
        if not self._contents(nodes, stopped):
            return None
        counts = Counts(passages=self._embed.encoded - before)
        with self._writer.transaction():
            for node in _inside_out(trees):
                self._complete(node)
            for tree in trees:
                counts = self._show(tree, known, movable, counts)
        return counts

    def _contents(self, nodes: Sequence[Node], stopped: Callable[[], bool]) -> bool:
        """Text, passages and vectors of all that is new."""
        waiting: list[tuple[int, int, list[str]]] = []
        with self._writer.transaction():
            for node in nodes:
                if node.fresh is not None:
                    content = self._begun(node.fresh)
                    for at in self._writer.lacking(content.number, self._embed.number):
                        some = node.fresh.passages[at : at + STRETCH]
                        waiting.append((content.number, at, [passage.indexed for passage in some]))
        waiting = list({(content, at): (content, at, texts) for content, at, texts in waiting}.values())
        for group in _groups(waiting):
            texts = [text for _, _, some in group for text in some]
            found = self._embed(texts, stopped)
            if found is None:
                return False
            vectors, scales, start = *found, 0
            stretches = []
            for number, first, passages in group:
                end = start + len(passages)
                stretches.append((number, first, vectors[start:end], scales[start:end]))
                start = end
            self._writer.add_vectors(self._embed.number, stretches)
        return True

    def _begun(self, fresh: Fresh) -> Content:
        """The content with its passages, as an interrupted sync left it or new."""
        content = self._writer.content(fresh.sha256, self._recipe)
        if content is not None and not content.complete and content.passages != len(fresh.passages):
            self._writer.drop_content(content.number)
            content = None
        return content or self._writer.add_content(fresh)

    def _complete(self, node: Node) -> None:
        """Mark a content as whole, once all that is inside it is."""
        content = self._writer.content(node.sha256, self._recipe) if node.fresh is not None else None
        if content is None:
            return
        members = []
        for child in node.children:
            inner = self._writer.content(child.sha256, self._recipe) if not child.reason else None
            name = child.item.key.removeprefix(node.item.key + SEPARATOR)
            number = inner.number if inner is not None else 0
            members.append(Member(name, number, child.item.size, child.reason, child.detail))
        self._writer.complete(content.number, members)

    def _show(self, tree: Node, known: Known, movable: dict[str, list[str]], counts: Counts) -> Counts:
        """Let documents point at what is there, and take away those that were inside before and are not now."""
        key = tree.item.key
        if tree.vanished:
            return counts
        if tree.reason:
            self._bury(tree)
            if tree.reason != "unreadable" and key in known.by_key:
                self._writer.delete_documents([old.number for old in known.family(key)])
            return counts._replace(failed=counts.failed + 1)
        self._writer.revive_family(self._source, key, SEPARATOR)
        before = key
        if key not in known.by_key and movable.get(tree.sha256):
            before = movable[tree.sha256].pop(0)
        puts = list(self._puts(tree.item, tree.sha256, "", before))
        self._writer.put_documents(self._source, puts)
        here = {put.before for put in puts}
        stale = [old.number for old in known.family(before) if old.key not in here]
        if stale:
            self._writer.delete_documents(stale)
        if before != key:
            return counts._replace(moved=counts.moved + 1)
        if key in known.by_key:
            return counts._replace(changed=counts.changed + 1)
        return counts._replace(added=counts.added + 1)

    def _puts(self, item: Item, sha256: str, parent: str, before: str) -> Iterator[Put]:
        """A document and all that is inside it, from what the store knows of its content."""
        content = self._writer.content(sha256, self._recipe)
        if content is None:
            raise RuntimeError(f"the content of {item.key} is not stored")
        yield from puts_of(self._writer, Put(item, content.number, parent, before), self._letter)

    def _letter(self, item: Item, reason: str, detail: str) -> None:
        letter = DeadLetter(self._name, item.key, mark(item, self._recipe), reason, detail, time.time())
        self._writer.bury(self._source, letter)

    def _bury(self, node: Node) -> None:
        self._letter(node.item, node.reason, node.detail)


def puts_of(writer: StoreWriter, put: Put, bury: Callable[[Item, str, str], None]) -> Iterator[Put]:
    """A document, then what is inside it, recursively; members that could not be read go to `bury`."""
    yield put
    for member in writer.reader.members(put.content):
        key = f"{put.item.key}{SEPARATOR}{member.name}"
        inner = Item(key, put.item.version, member.size, put.item.modified, put.item.principals)
        if member.child:
            before = f"{put.before}{SEPARATOR}{member.name}"
            yield from puts_of(writer, Put(inner, member.child, put.item.key, before), bury)
        else:
            bury(inner, member.reason, member.detail)


def relabelled(writer: StoreWriter, item: Item, old: Listed) -> list[Put]:
    """The puts that give a document, and all that is inside it, new principals and metadata."""
    whole = replace(item, version=old.version)
    return list(puts_of(writer, Put(whole, old.content, "", item.key), lambda *_: None))


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _inside_out(trees: Sequence[Node]) -> Iterator[Node]:
    for tree in trees:
        yield from _inside_out(tree.children)
        yield tree


def _groups(waiting: list[tuple[int, int, list[str]]]) -> Iterator[list[tuple[int, int, list[str]]]]:
    """Stretches in groups of at most about STRETCH texts, each committed by itself."""
    group: list[tuple[int, int, list[str]]] = []
    for one in waiting:
        if group and sum(len(some[2]) for some in group) + len(one[2]) > STRETCH:
            yield group
            group = []
        group.append(one)
    if group:
        yield group
