"""E-mail and ticket triage: mail comes in, what is certain is labelled and routed, what is not waits for a person.

`records` are the shapes that pass between parts. A source (`inbox/`) brings messages, `mail/` reads them, `reading/`
predicts and extracts, `rules/` decides who gets what, `actions/` carries it out, `desk/` keeps the queue and its
deadlines, `learning/` turns corrections into better models.
"""
