"""The errors that clearcall raises on purpose.

Every message is one sentence for the person at the keyboard: what is wrong, where, and how to mend it.
The command line prints it and exits with the error's ``exit_status``; nothing else of the error is shown.
"""

from __future__ import annotations

import importlib
from types import ModuleType


class ClearcallError(Exception):
    """Base of every error that clearcall raises on purpose."""

    exit_status = 1


class InputError(ClearcallError):
    """A file, folder or frame given by the user can't be used."""

    exit_status = 3


class OutputError(ClearcallError):
    """The result can't be written where the user asked for it."""

    exit_status = 4


class BundleError(ClearcallError):
    """A model bundle is missing, damaged, or of another format version."""

    exit_status = 5


class RecipeError(ClearcallError):
    """A recipe, profile or option has an unknown name or an impossible value."""

    exit_status = 6


class MissingExtraError(ClearcallError):
    """An optional dependency is needed and not installed."""

    exit_status = 7


class MissingHardwareError(ClearcallError):
    """A device was asked for that this computer doesn't have, or has no driver for."""

    exit_status = 9


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Args:
        module: Dotted name, as in ``"torch"``.
        extra: The extra of the ``clearcall`` package that installs it.

    Returns:
        The imported module.

    Raises:
        MissingExtraError: The module can't be imported.

    Example:
        >>> require("json", extra="train").dumps([1])
        '[1]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"This needs {module}, which is not installed ({error}); install it with: pip install 'clearcall[{extra}]'"
        ) from error
