"""The experiments of *Large Language Model Partitioning for Low-Latency Inference at the Edge*, done again.

`worlds` draws the worlds of arXiv 2505.02533, `optimality_gap` measures each decision against the exact optimum, `runs`
runs all policies in all worlds on several processes, `experiments` says which, and `tables`, `figures` and `page` show
what came out. `headway paper` is the command for it; `docs/paper.md` is the page.
"""
