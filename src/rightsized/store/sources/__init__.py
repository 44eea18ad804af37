"""Where models come from, one source a file. A source fetches files into a folder and checks them; no more."""
