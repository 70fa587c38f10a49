"""A mistake that looks brilliant: the departure delay as a feature. It is known only after the prediction is made.

Offline the column is there, and the model is superb; live rows lack it. The flights demo shows how the canary finds
out, and that `availableAt: Training` in the schema would have refused it before training.
"""

from __future__ import annotations

import features

features.NUMERIC = (*features.NUMERIC, "dep_delay")  # type: ignore[misc]
features.FEATURES = (*features.CATEGORICAL, *features.NUMERIC)  # type: ignore[misc]

import train  # noqa: E402  it reads the columns when it is called

if __name__ == "__main__":
    train.main()
