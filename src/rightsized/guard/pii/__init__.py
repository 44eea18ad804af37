"""Finds personal, health and secret data in text, offline by construction, and says which class the text is of.

Where it stops: it says where the data stand and never changes the text (`guard/pseudonym` does), and it lets nothing
pass or stop (`guard/policy` does). The model for names is an argument; this folder imports no engine.
"""
