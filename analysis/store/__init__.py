"""The store of runs: a folder of Parquet files to which is only added, and which survives whatever happens to a writer.

`Store` writes it and `View` reads it, both as parts that appear at once; `verify` finds and repairs damage.
"""
