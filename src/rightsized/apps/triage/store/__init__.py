"""What an inbox keeps: `inbox.sqlite`. Each message once, what became of it, and every event, in order."""

from rightsized.apps.triage.store.messages import MessageStore as MessageStore
