"""Legal discovery: review sets, tags, predictive coding, when to stop, families, and productions with load files.

A set is kept beside its collection and read through a view alone: what its asker may no longer see is no longer in it.
"""
