"""Pintle on a real cluster: the cluster itself, the installation, the demo and the end-to-end tests."""
