"""How triage learns: what to ask a person, a new candidate, its comparison, shadow run, promotion, new labels."""
