"""The demo: train, register and serve a model on real flights, replay the next month, compare with the truth."""
