"""Sources of documents, one a file: folders, mailboxes, object stores. They list and read, no more."""
