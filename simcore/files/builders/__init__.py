"""From a checked scenario file to a `Scenario`: one module for each part of the world, and one context for all."""
