"""What is done outside: planned with the message, carried out once, repeated under one token, undone on request."""

from rightsized.apps.triage.actions.carrying import Carrier as Carrier
from rightsized.apps.triage.actions.journal import Journal as Journal
from rightsized.apps.triage.actions.journal import Planned as Planned
