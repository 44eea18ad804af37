"""Rightsized: the smallest model that keeps within your error budget, certified, on your own machine."""

__version__ = "0.1.0"
