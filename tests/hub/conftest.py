"""The Hub for the tests of this folder."""

from tests.hub.fixtures import hub, quick, xet_hub

__all__ = ["hub", "quick", "xet_hub"]
