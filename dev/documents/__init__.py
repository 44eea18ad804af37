"""Makes the binary files of the document-search sample from readable sources: python -m dev.documents.build."""
