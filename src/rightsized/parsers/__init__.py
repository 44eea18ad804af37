"""From files to text with structure: one format a file, each run in a process of its own. Found by media type.

`sandbox.parse` is the way in. Parsers are registered in the entry-point group `rightsized.parsers` under the media type
that they read; the process that asks never imports one.
"""
