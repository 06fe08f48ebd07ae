"""Readers of what other programs write: model configurations of Hugging Face, and graphs of networks."""
