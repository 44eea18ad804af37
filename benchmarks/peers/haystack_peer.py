"""Haystack in memory: its BM25 and embedding retrievers, joined by reciprocal rank fusion, over the same vectors."""

import os

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

from haystack import Document
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from search_rows import Rows
from wire import serve


def _store(rows, numbers):
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    store.write_documents(
        [Document(id=rows.ids[i], content=rows.texts[i], embedding=rows.vectors[i].tolist()) for i in numbers]
    )
    return store


def rank(folder, depth):
    rows = Rows(folder)
    found = [[] for _ in rows.questions]
    parts = rows.members() if any(rows.wanted) else {"": range(len(rows.ids))}  # a store a document: the same, faster
    for document, numbers in parts.items():
        asked = [place for place, wanted in enumerate(rows.wanted) if wanted == document]
        if not asked:
            continue
        store = _store(rows, numbers)
        words, meaning = InMemoryBM25Retriever(store, top_k=depth), InMemoryEmbeddingRetriever(store, top_k=depth)
        joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=depth)
        for place in asked:
            lexical = words.run(query=rows.questions[place])["documents"]
            dense = meaning.run(query_embedding=rows.question_vectors[place].tolist())["documents"]
            found[place] = [one.id for one in joiner.run([lexical, dense])["documents"]]
    return found


serve(rank=rank)
