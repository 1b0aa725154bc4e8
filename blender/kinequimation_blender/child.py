# SPDX-License-Identifier: GPL-3.0-or-later
"""What every script here has in common: progress a line at a time, errors in one line, and an end that Blender survives."""
import json
import os
import signal
import sys
import traceback

from .files import ClipError


def report(**what):
    """A line of JSON on stdout, read by who started this process."""
    sys.stdout.write("\n" + json.dumps(what) + "\n")  # exporters leave lines unfinished
    sys.stdout.flush()


class Steps:
    """Progress over the whole job: how many steps are done, of how many that are known so far."""

    def __init__(self, total):
        self.done, self.total = 0, total

    def more(self, n):
        self.total += n

    def step(self, what):
        self.done += 1
        report(stage=what, done=self.done, total=self.total)


def run(main):
    """Runs `main` and ends the process: 0 done, 2 bad input, 1 anything else, 130 stopped. The last line says what was wrong."""
    # a terminated child cleans up its half-written files like one that is interrupted
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = 0
    try:
        main()
    except ClipError as error:
        code = fail(2, str(error))
    except KeyboardInterrupt:
        code = fail(130, "Stopped.")
    except OSError as error:
        code = fail(2, f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except Exception as error:
        traceback.print_exc()
        code = fail(1, one_line(error))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender 4.x hangs or crashes at exit once Rigify is on


def one_line(error):
    """What an exception says; Blender's operators wrap a whole traceback, of which the line with the error counts."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
    telling = [line for line in lines if "Errno" in line or "No space left" in line or line.split(":")[0].endswith(("Error", "Exception"))]
    return f"{type(error).__name__}: {(telling or lines)[-1]}"


def fail(code, message):
    report(error=message)
    return code
