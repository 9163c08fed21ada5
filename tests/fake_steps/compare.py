"""Stand-in for the entry of this name."""

from tests.fake_steps import compare as compare
