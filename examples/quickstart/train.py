"""The whole training code of a first model; runs on a laptop unchanged."""

import pintle.train as pintle
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rows, schema = pintle.load("Train"), pintle.schema()
columns = [feature["name"] for feature in schema["features"]]
# Clients may leave a column out; a model that cannot take a missing value would answer nothing then.
model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=pintle.hyperparameters()["c"]))
model.fit(rows[columns], rows[schema["target"]])
pintle.log(rows=len(rows), trainAccuracy=model.score(rows[columns], rows[schema["target"]]))
pintle.save(model)
