"""PDF: text with boxes, in the order of reading; structure is guessed from sizes, gaps and positions."""
