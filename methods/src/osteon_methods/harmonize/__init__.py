"""Harmonization: one file a method."""
