"""Zammad, an open helpdesk, by its public REST API (docs.zammad.org): its tickets as messages, and actions on them.

The pattern for other helpdesks: `client` speaks the API, `desk` carries actions out, `inbox/zammad.py` is the source.
"""
