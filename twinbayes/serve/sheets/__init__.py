"""Sheets of many patients as one folder: who is asked for, pages, PDF, a table of numbers."""

from __future__ import annotations

from twinbayes.serve.sheets.folder import Sheets, require_possible, write_sheets

__all__ = ["Sheets", "require_possible", "write_sheets"]
