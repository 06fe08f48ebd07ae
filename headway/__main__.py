"""The `headway` command, which is also `python -m headway`."""

# ruff: noqa: PLC0415

import gc
import os
import sys

try:
    import atexit

    from headway.analysis.console import interrupts
except KeyboardInterrupt:  # before a handler is set
    os.write(2, b"headway: interrupted\n")
    os._exit(130)


def main() -> None:
    """Entry point of the `headway` command. It ends the process."""
    interrupts.end_at_once()
    gc.set_threshold(50_000)  # imports make many objects and no garbage: a short run takes a tenth less
    if sys.stdout is None:  # the caller closed it (`headway >&-`)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    streams = sys.stdout, sys.stderr
    code: object = 1
    try:
        from headway.analysis.cli import app

        app(prog_name="headway")
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    # At a normal exit Python would wait for threads of policies, and handle Ctrl-C in its own way.
    atexit._run_exitfuncs()
    try:
        for stream in streams:
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # the reader has ended, the disk is full, or a policy has closed the stream
        code = code or 1
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
