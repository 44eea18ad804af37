"""Who gets what: `rules.toml`, readable by whoever runs the team, with its tests in the same file."""

from rightsized.apps.triage.rules.evaluate import prioritise as prioritise
from rightsized.apps.triage.rules.evaluate import route as route
from rightsized.apps.triage.rules.file import load as load
from rightsized.apps.triage.rules.records import Rulebook as Rulebook
