"""Named, repeatable measurements: `python -m benchmarks.NAME --json [--data PATH] [--quick]`."""
