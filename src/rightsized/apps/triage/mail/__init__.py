"""Mail as it is: the bytes of a message become a `Mail`, with what its sender wrote told from quotes and signature."""

from rightsized.apps.triage.mail.message import MailOptions as MailOptions
from rightsized.apps.triage.mail.message import read_mail as read_mail
