"""Designs that come with the program."""
