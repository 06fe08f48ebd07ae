"""Compare all runs with their record: `python -m tests.golden`, from the root of the repository.

`--record` puts them in its place. `--save DIR` writes their whole tables into a folder as well, to be compared value by
value.
"""

import argparse
import sys
from pathlib import Path

from . import record


def main() -> int:
    """1 if a run differs from its record."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("--record", action="store_true", help="put the runs of today in place of the record")
    parser.add_argument("--save", metavar="DIR", type=Path, help="write all tables there as pickles")
    options = parser.parse_args()
    made = {}
    different = 0
    for name, tables in record.make_all():
        if options.save is not None:
            record.save(name, tables, options.save)
        if options.record:
            made[name] = tables
            continue
        told = record.unlike(name, tables) if name in record.load()["runs"] else ["not recorded"]
        different += bool(told)
        same = "same bytes" if not told and record.same_bytes(name, tables) else "same to 1e-12"
        print(f"{name}: {f'DIFFERENT, {told[0]}' if told else same}", flush=True)
    if options.record:
        record.rewrite(made)
        print(f"{len(made)} runs: {record.PATH}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
