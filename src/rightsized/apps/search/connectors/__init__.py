"""Sources of documents, one a file: folders, mailboxes, object stores. They list and read, no more."""

from rightsized.apps.search.connectors.listing import listed as listed
from rightsized.apps.search.connectors.listing import open_connector as open_connector
