"""Environments on Kubernetes: what their clusters show, read only."""
