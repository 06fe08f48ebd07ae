"""Compare all runs with their record: `python -m tests.golden`, from the root of the repository.

`--record` records those that are new or differ; where one differs, `MODEL_VERSION` must be higher than in the record.
`--save DIR` writes their whole tables into a folder as well, to be compared value by value.
"""

import argparse
import sys
from pathlib import Path

from . import record


def main() -> int:
    """1 if a run differs from its record, or cannot be recorded."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("--record", action="store_true", help="record runs that are new or differ")
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
        try:
            record.rewrite(made)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{len(made)} runs: {record.PATH}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
