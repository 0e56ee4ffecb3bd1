"""The environment of tests/support/environment.py, up for the figures that are taken of it."""

from tests.support.environment import environment

__all__ = ["environment"]
