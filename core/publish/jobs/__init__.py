"""Training on a rented machine of Hugging Face Jobs, as a run of this workspace."""
