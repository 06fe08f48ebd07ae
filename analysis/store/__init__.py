"""The store of runs: a folder of Parquet files that only grows and stays valid when its writer is killed.

`Store` opens and writes a store, `View` reads it, and `verify` finds and repairs damage.
"""
