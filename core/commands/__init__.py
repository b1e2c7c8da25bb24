"""The commands of `python -m core`, one function each."""
