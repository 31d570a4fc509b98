"""`python -m tollbook.cli` is `tollbook`."""

from tollbook.cli import main

main()
