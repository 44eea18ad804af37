"""DOCX: the main document as a stream, with styles, numbers as displayed, tables, notes, comments, headers."""
