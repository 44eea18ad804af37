"""Mailboxes over IMAP: what the source (`inbox/imap.py`) and the desk (`actions/imap.py`) share."""
