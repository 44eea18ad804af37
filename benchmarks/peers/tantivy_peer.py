"""tantivy alone: its English stemmer and BM25 as they come; every word of the question may match."""

import tantivy
from search_rows import Rows
from wire import serve


def rank(folder, depth):
    rows = Rows(folder)
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw")
    builder.add_text_field("document", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("text", tokenizer_name="en_stem")
    schema = builder.build()
    index = tantivy.Index(schema)
    writer = index.writer(50_000_000, 1)
    for identifier, text, document in zip(rows.ids, rows.texts, rows.documents, strict=True):
        writer.add_document(tantivy.Document(id=identifier, text=text, document=document))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    found = []
    for question, document in zip(rows.questions, rows.wanted, strict=True):
        plain = "".join(c if c.isalnum() else " " for c in question.lower())  # no operators of the query language
        query = index.parse_query(plain, ["text"])
        if document:
            inside = tantivy.Query.const_score_query(tantivy.Query.term_query(schema, "document", document), 0.0)
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, inside)])
        hits = searcher.search(query, depth).hits
        found.append([searcher.doc(address)["id"][0] for _, address in hits])
    return found


serve(rank=rank)
