"""Where messages come from: one file a kind of source, found by the scheme of its address."""

from rightsized.apps.triage.inbox.opening import Context as Context
from rightsized.apps.triage.inbox.opening import open_source as open_source
