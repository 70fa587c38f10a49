"""The Kubernetes cluster that Pintle's tests and its demo run on.

Standard library only: it runs on a fresh machine before any virtualenv exists. `python3 -m e2e.cluster --help`.
"""
