"""Training with Pintle: what a user's train.py needs. Light to import; pandas and skops come when they are used."""

from pintle.train.user import hyperparameters, load, log, output_dir, save, schema, seed

__all__ = ["hyperparameters", "load", "log", "output_dir", "save", "schema", "seed"]
