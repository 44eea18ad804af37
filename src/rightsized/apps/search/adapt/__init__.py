"""Trains a collection's encoder on the collection itself, without labels; kept only if better on judged questions."""
