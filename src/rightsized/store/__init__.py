"""Models on disk: the home folder, cards, digests and the sources they come from."""
