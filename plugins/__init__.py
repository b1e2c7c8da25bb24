"""`from plugins import *` gives the words that the discovered plugins register or name in `__all__`."""

from core.discovery import discover
from core.registry import registries

_modules = {module.__name__: module for module in discover().modules}
_words = {
    entry.factory.__name__: entry.factory
    for registry in registries.values()
    for entry in registry
    if entry.module in _modules and entry.factory.__name__.isidentifier()
}
for _module in _modules.values():
    _words |= {name: getattr(_module, name) for name in getattr(_module, "__all__", ())}

globals().update(_words)
__all__ = sorted(_words)
