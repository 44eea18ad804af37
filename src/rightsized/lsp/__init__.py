"""The language-server protocol for editors. Reserved."""
