"""Runs the tests that came with a request against the code of an answer, each in a process of its own, shut in.

What may be imported inside those processes is the standard library alone (`enclosed` and what it imports).
"""
