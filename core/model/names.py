"""The files of a model folder."""

WEIGHTS, CONFIG, CLASSES, HASHES = "model.safetensors", "config.json", "classes.json", "hashes.json"
