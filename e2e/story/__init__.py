"""The whole story on real flights: drift, retraining, a canary that wins, and one that only looks brilliant."""
