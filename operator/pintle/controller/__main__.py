"""`python -m pintle.controller`: the operator."""

import sys

from pintle.controller.decide import plan_for
from pintle.controller.main import main

if __name__ == "__main__":
    sys.exit(main(plan_for))
