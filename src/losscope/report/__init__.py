"""Rows and curves -> table, figure, self-contained page, JSON and CSV."""
