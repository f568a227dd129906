"""`python -m unrolled` is the command `unrolled`."""

import sys

from unrolled.commands import main

if __name__ == "__main__":
    sys.exit(main())
