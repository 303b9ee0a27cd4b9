"""A weekly pipeline that turns an online store's sales into figures you can trust."""

__version__ = "0.1.0"
