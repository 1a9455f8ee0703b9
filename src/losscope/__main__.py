"""`python -m losscope`: the command line, where the `losscope` script is not on the path."""

import sys

from losscope.cli import main

if __name__ == "__main__":
    sys.exit(main())
