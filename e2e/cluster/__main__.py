"""`python3 -m e2e.cluster COMMAND`."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
