"""How the running program was made."""

from __future__ import annotations

from signals import user_step


def is_compiled() -> bool:
    """Whether the steps are extension modules, as in images (docs/adr/0020)."""
    return not str(user_step.__file__).endswith(".py")
