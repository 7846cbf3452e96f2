"""`python -m millrace` is the `millrace` command."""

import sys

from millrace.cli import main

sys.exit(main())
