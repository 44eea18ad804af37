"""Reply drafts: written by a tier that writes, checked, and shown to a person. Nothing here can send anything."""
