"""Safety rules and domain constraints on what models write: told to the model, kept while it writes, checked after.

Where it stops: what the rules are is read in `guard/policy`; which models there are, what a classifier says of a text
and what a score of injection is, is handed in as arguments (`means.Means`). It ranks no answers and calibrates nothing.
"""

from rightsized.guard.safety.kinds import ENFORCED as ENFORCED
from rightsized.guard.safety.means import Means as Means
from rightsized.guard.safety.safe import Safe as Safe
