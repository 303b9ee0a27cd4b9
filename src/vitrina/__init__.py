"""Vitrina: an online store's sales, turned every week into figures that people can trust."""

__version__ = "0.1.0"
