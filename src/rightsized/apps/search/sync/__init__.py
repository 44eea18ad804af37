"""From a source to a collection: what changed is read, parsed, cut into passages, embedded and stored; no more.

`run.sync` is the way in. Nothing here knows a format or a kind of source.
"""
