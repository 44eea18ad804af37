"""Signals: numbers read off a prompt and off an answer to it, from which a verifier learns when to trust an answer."""
