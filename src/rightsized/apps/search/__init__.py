"""Document search on this machine: sources to passages, passages to an index, questions to cited answers.

Each asker sees what they may and nothing else: `protocols.View` is the one way to read, and it is bound to principals.
"""
