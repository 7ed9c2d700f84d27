"""`python -m buddy.interfaces.cli` is `buddy`."""

import sys

from buddy.interfaces.cli.main import main

sys.exit(main())
