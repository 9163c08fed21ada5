"""Household objects built from a few lines of geometry each: see README.md in this folder."""
