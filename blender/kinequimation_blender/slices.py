# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work as a generator that stops for breath: done at a stretch by commands, and a slice at a time behind a window. Needs no Blender.

It yields None wherever it may be interrupted, and (done, total) where a step is done; what it returns is the result.
"""
import time
import traceback

from .files import ClipError

SLICE_S = 0.05


def drained(work, tell=None):
    """Does all of the work and returns its result; `tell(done, total)` is called after each step."""
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            return end.value
        if step and tell:
            tell(*step)


class Work:
    """The work, a slice with every `poll`; asked and cancelled like a `jobs.Job`. `result` is what it returned.

    Its first slice is done at once: bad input is an error here and not later.
    """

    def __init__(self, work, stage):
        self.work, self.stage, self.state, self.done, self.total, self.error, self.result = work, stage, "RUNNING", 0, 0, "", None
        self.step()

    @property
    def share(self):
        return min(1.0, self.done / self.total) if self.total else 0.0

    def step(self):
        try:
            self.done, self.total = next(self.work) or (self.done, self.total)
        except StopIteration as end:
            self.state, self.result = "DONE", end.value

    def poll(self, seconds=SLICE_S):
        """Works on for about so long; returns the state."""
        until = time.monotonic() + seconds
        try:
            while self.state == "RUNNING" and time.monotonic() < until:
                self.step()
        except ClipError as error:
            self.state, self.error = "FAILED", str(error)
        except Exception as error:
            traceback.print_exc()
            self.state, self.error = "FAILED", f"{type(error).__name__}: {error}"
        return self.state

    def cancel(self):
        """The work is told where it stands, so that it takes back what it has done."""
        if self.state == "RUNNING":
            self.work.close()
            self.state = "CANCELLED"

    end = cancel

    def wait(self):
        while self.poll(1.0) == "RUNNING":
            pass
        return self.state
