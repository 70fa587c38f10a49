"""python -m pintle.cli: `kubectl pintle` where it is not installed."""

import sys

from pintle.cli.main import main

sys.exit(main())
