"""Haystack: its splitter, then the best chunks by BM25 and by embeddings, joined by reciprocal rank, for each question.

Vectors of chunks and questions come from the benchmark, by a callback: the same encoder for all.
"""

import os

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

from haystack import Document
from haystack.components.joiners import DocumentJoiner
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from wire import callback, serve


def rank(text, questions, vectors, words, overlap, depth):
    """Per question the (start, end) of chunks of a document, best first."""
    splitter = DocumentSplitter(split_by="word", split_length=words, split_overlap=overlap)
    splitter.warm_up()
    chunks = splitter.run([Document(content=text)])["documents"]
    embedded = callback("encode", texts=[chunk.content for chunk in chunks])
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    store.write_documents(
        [
            Document(id=str(at), content=chunk.content, embedding=vector)
            for at, (chunk, vector) in enumerate(zip(chunks, embedded, strict=True))
        ]
    )
    places = [(chunk.meta["split_idx_start"], chunk.meta["split_idx_start"] + len(chunk.content)) for chunk in chunks]
    by_words = InMemoryBM25Retriever(store, top_k=depth)
    by_meaning = InMemoryEmbeddingRetriever(store, top_k=depth)
    joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=depth)
    found = []
    for question, vector in zip(questions, vectors, strict=True):
        lexical = by_words.run(query=question)["documents"]
        dense = by_meaning.run(query_embedding=vector)["documents"]
        best = joiner.run([lexical, dense])["documents"]
        found.append([places[int(one.id)] for one in best])
    return found


serve(rank=rank)
