"""What `python -m core` can do, one function a command."""
