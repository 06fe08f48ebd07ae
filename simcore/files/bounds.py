"""How much a file may ask for: every bound in one place, each checked before anything of that size is made.

Bounds are far above what anybody means and below what fills a memory. The reference of scenario files lists them.
"""

MOST_BYTES = 1_000_000
"""Bytes of a YAML file."""

MOST_VALUES = 100_000
"""Keys, items and values of a YAML file together; reading so many takes some seconds."""

MOST_DEPTH = 20
"""Levels of nesting in YAML and GraphML."""

MOST_CONFIG_BYTES = 1_000_000
"""Bytes of a Hugging Face config.json; published ones have a few kilobytes."""

MOST_GRAPH_BYTES = 5_000_000
"""Bytes of a graph file."""

MOST_DEVICES = 1000
"""Devices, relays that a file lists, media."""

MOST_LINKS = 5000
"""Links, routes; nodes of a graph in a file, which it joins."""

MOST_BLOCKS = 1_000_000
"""Blocks of a model."""

MOST_PAIRS = 50_000_000
"""Blocks times devices, for policies compare every block on every device; tokens to generate times devices, for what
each device held at each token is kept until the end."""

MOST_TOKENS = 1_000_000
"""Tokens of a prompt, or to generate for a request."""

MOST_REQUESTS = 100_000
"""Requests of a scenario."""

MOST_DRAWN = 1_000_000
"""Values of all synthetic traces of a scenario together."""

MOST_FAULT_VALUES = 200_000_000
"""Values of all traces that faults make, one after another: each fault makes its trace anew."""

MOST_SEEDS = 2**63
"""Seeds are below this."""

LARGEST = 1e18
"""Any quantity, in SI units; sums and products of a few of these stay far from infinity."""
