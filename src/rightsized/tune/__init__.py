"""Fitting: classifiers on frozen embeddings and n-grams. scikit-learn is imported only while fitting."""
