"""`python -m buddy` is `buddy`."""

import sys

from buddy.interfaces.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
