"""The commands of `headway`, one module each; groups of commands are packages.

They import what `--help` needs, and the rest when they are called: pandas and matplotlib take longer to import than a
question for help may take.
"""
