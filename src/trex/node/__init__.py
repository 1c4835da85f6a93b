"""Composition root: command line, configuration, start and stop. It alone imports every other package."""
