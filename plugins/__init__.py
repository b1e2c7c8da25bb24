"""`from plugins import *` imports every factory that plugins register and every name in their `__all__`."""

from core.discovery import discover
from core.registry import registries

_modules = {module.__name__: module for module in discover().modules}
_names = {
    entry.factory.__name__: entry.factory
    for registry in registries.values()
    for entry in registry
    if entry.module in _modules and entry.factory.__name__.isidentifier()
}
for _module in _modules.values():
    _names |= {name: getattr(_module, name) for name in getattr(_module, "__all__", ())}

globals().update(_names)
__all__ = sorted(_names)
