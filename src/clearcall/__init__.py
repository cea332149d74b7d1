"""clearcall makes video calls over thin links sharp again."""

from __future__ import annotations

__version__ = "0.1.0"
