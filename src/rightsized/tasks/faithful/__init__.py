"""Whether a sentence that a model wrote is borne out by its source: by words, numbers, names and direction.

Used wherever text is written from sources: answers from documents, summaries of documents and of mail.
"""
