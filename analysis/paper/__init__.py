"""Reproduction of *Large Language Model Partitioning for Low-Latency Inference at the Edge* (arXiv 2505.02533).

`worlds` draws the worlds of the paper, `experiments` defines the cases, `runs` runs all policies in all worlds on
several processes, `optimality_gap` compares decisions with the exact optimum, and `tables`, `figures` and `page`
present the results. `overload`, `author_baselines` and `many_layers` are experiments with their own tables, and
`placements` has the baselines that are no registered policies. The command is `headway paper`; the results are in
`docs/paper.md`.
"""
