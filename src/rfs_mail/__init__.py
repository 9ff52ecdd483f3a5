"""Drip campaigns as code, for organisations that help people run for office."""

__version__ = "0.1.0"
