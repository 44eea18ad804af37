"""Reversible pseudonymisation for tiers off the premises: values go out as placeholders and come back in the answer.

Where it stops: it does not decide what is personal (`guard/pii` does, handed in as an argument), nor where data may go
(`guard/policy` and the tier's settings do). What it cannot read, it does not let out.
"""

from rightsized.guard.pseudonym.generator import Pseudonymised as Pseudonymised
from rightsized.guard.pseudonym.vault import NamingKeys as NamingKeys
