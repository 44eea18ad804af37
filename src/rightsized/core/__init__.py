"""Types, protocols, errors, configuration, registry and egress. Standard library and msgspec only."""
