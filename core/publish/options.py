"""The options of a push, shared by the command line and the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal


@dataclass(frozen=True)
class PushOptions:
    """How a model is pushed to the Hub."""

    license: Annotated[str, "The license, as the Hub names it, such as apache-2.0; empty for none"] = ""
    private: Annotated[bool, "Only you can see it"] = False
    space: Annotated[
        Literal["static", "none", "zero-gpu", "cpu-basic"],
        "A page on which others can try the model. static: free, runs in the visitor's browser; zero-gpu: free for two "
        "Spaces; cpu-basic: needs a paid account",
    ] = "static"
    examples: Annotated[bool, "Show some of your validation photos on that page, without their names"] = False
    untried: Annotated[bool, "Publish a static page without trying it in a browser here, if there is none"] = False
