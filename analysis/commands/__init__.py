"""The commands of `headway`, one module each; groups of commands are packages.

A module imports only what `--help` needs; its functions import the rest when they are called, because the imports of
pandas and matplotlib take long.
"""
