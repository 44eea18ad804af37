"""Answers to questions: sentences of the documents, or written from them and checked; each with its place."""
