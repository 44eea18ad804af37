"""From a question to ranked passages: syntax, scoping, fusion, facets, suggestions. Reads a `View` and nothing else."""
