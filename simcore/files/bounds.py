"""Limits on input files and on the scenarios that they describe.

Each limit is checked before anything of that size is created. The limits are far above useful sizes, and low enough for
the memory of one computer. The reference of scenario files lists them.
"""

MOST_BYTES = 1_000_000
"""Bytes of a YAML file."""

MOST_VALUES = 100_000
"""Keys, list items and values in one YAML file; reading so many takes some seconds."""

MOST_DEPTH = 20
"""Levels of nesting in YAML and GraphML."""

MOST_CONFIG_BYTES = 1_000_000
"""Bytes of a Hugging Face config.json; published ones have a few kilobytes."""

MOST_GRAPH_BYTES = 5_000_000
"""Bytes of a graph file."""

MOST_DEVICES = 1000
"""Devices, relays in `relays`, media."""

MOST_LINKS = 5000
"""Links, routes, nodes in a graph file."""

MOST_BLOCKS = 1_000_000
"""Blocks of a model."""

MOST_PAIRS = 50_000_000
"""Blocks times devices, because policies compare each block on each device; also tokens to generate times devices,
because a run records the memory of each device at each token."""

MOST_TOKENS = 1_000_000
"""Tokens in the prompt or the output of a request."""

MOST_REQUESTS = 100_000
"""Requests in a scenario."""

MOST_DRAWN = 1_000_000
"""Values in all synthetic traces and recordings with a random start of a scenario together."""

MOST_FAULT_VALUES = 200_000_000
"""Values in the traces that faults change, counted again for each fault."""

MOST_SEEDS = 2**63
"""Number of seeds; the largest seed is one less."""

LARGEST = 1e18
"""Any quantity in SI units, so that sums and products of a few quantities stay finite."""
