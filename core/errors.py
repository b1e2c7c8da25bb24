"""The one exception that a user is meant to read."""


class BadInput(Exception):
    """What the user gave cannot be used; the message is one sentence that names the value and what to do."""
