"""`python -m rightsized.cli` is the command `rightsized`."""

from rightsized.cli import main

main()
