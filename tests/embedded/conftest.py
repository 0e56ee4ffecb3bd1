"""The environment of tests/support/environment.py, up for each module of this folder."""

from tests.support.environment import environment

__all__ = ["environment"]
