"""Stands in for data of your own: 569 measured tumours, which scikit-learn brings along, as a CSV file."""

import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer

COLUMNS = ["mean radius", "mean texture", "mean smoothness", "mean concavity", "mean symmetry", "mean perimeter"]

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
found = load_breast_cancer(as_frame=True)
table = found.frame[COLUMNS].rename(columns=lambda name: name.removeprefix("mean "))
# In scikit-learn's table 0 is malignant; here 1 is what is looked for.
table["malignant"] = 1 - found.target
table.to_csv(folder / "tumours.csv", index_label="patient")
print(f"{len(table)} rows in {folder / 'tumours.csv'}")
