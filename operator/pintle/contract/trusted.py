"""Types that a skops file may hold besides those that skops trusts by itself; the operator's policy can add more."""

from __future__ import annotations

# What scikit-learn's own pipelines are made of: array types, and the trees of histogram gradient boosting.
LIBRARY_TYPES = ("numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")
