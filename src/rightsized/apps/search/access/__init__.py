"""Who may see a document: sidecar files, and else the owner, mode bits and ACL of files. Decides; enforces nothing."""

from rightsized.apps.search.access.names import principals_of_login as principals_of_login
