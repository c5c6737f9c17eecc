"""`python -m bayes_cmoe` and the console script."""

import sys

from bayes_cmoe.commands.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
