"""The compiled executor: kernels that run tasks and messages on arrays from one control event to the next.

Each kernel is a Python function that numba compiles. It gives the same bits when numba does not compile it
(`NUMBA_DISABLE_JIT=1`): no fast-math, no parallel sums. Importing a module of kernels imports numba, so only runs that
use the compiled executor do it.
"""
