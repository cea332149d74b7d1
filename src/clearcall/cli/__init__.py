"""The command line: parsing only; each command imports what it needs when it runs."""

from __future__ import annotations

from clearcall.cli.app import app, main

__all__ = ["app", "main"]
