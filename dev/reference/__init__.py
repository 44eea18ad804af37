"""One module a reference page; each has `page() -> str`, Markdown made from the code."""
