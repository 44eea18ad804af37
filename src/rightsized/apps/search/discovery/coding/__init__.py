"""Predictive coding: which documents of a set to read next, learned from those that were tagged, batch by batch.

Continuous active learning after Cormack and Grossman, "Evaluation of machine-learning protocols for technology-assisted
review in electronic discovery", SIGIR 2014, and their AutoTAR (arXiv:1504.06868).
"""
