# SPDX-License-Identifier: GPL-3.0-or-later
"""A kinequimation command in a process of its own, asked now and then how far it is. Needs no Blender.

Blender's Python has none of what finding a horse needs, so the installed kinequimation does it: the contract is its command
line, and a line of JSON on stderr for each step.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from .files import ClipError

CALL = "import sys; from kinequimation.cli import main; sys.exit(main())"
GRACE_S = 8.0  # so long may a cancelled process take to clean up


def find_python():
    """The Python beside an installed `kinequimation` command, or ''."""
    command = shutil.which("kinequimation")
    if command is None:
        return ""
    for name in ("python.exe", "python3", "python"):
        if (Path(command).parent / name).exists():
            return str(Path(command).parent / name)
    return ""


class Job:
    """`state` is RUNNING, DONE, FAILED or CANCELLED; `error` is one line; `stage`, `done` and `total` say how far it is."""

    def __init__(self, python, *args):
        self.state, self.stage, self.done, self.total, self.error = "RUNNING", "", 0, 0, ""
        self.python, self.lines, self.cancelled_at, self.started = str(python), [], None, time.monotonic()
        if not python:
            raise ClipError("Expected the path to the Python that has kinequimation, but it is not set. Set it in the extension's preferences.")
        env = {k: v for k, v in os.environ.items() if k != "PYTHONHOME"}  # Blender's own is not for another Python
        env.update(KINEQUIMATION_PROGRESS="json", PYTHONUNBUFFERED="1", PYTHONUTF8="1")
        try:
            self.process = subprocess.Popen([self.python, "-c", CALL, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                            text=True, encoding="utf-8", errors="replace", env=env, **own_group())
        except OSError as error:
            raise ClipError(f"Expected a Python at {python}, but it can't be started: {error.strerror}. Set it in the extension's preferences.") from None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            try:
                step = json.loads(line)
                self.stage, self.done, self.total = str(step["stage"]), int(step["done"]), int(step["total"] or 0)
            except (ValueError, KeyError, TypeError):
                self.lines = [*self.lines[-30:], line.strip()]

    @property
    def share(self):
        return min(1.0, self.done / self.total) if self.total else 0.0

    def poll(self):
        """The state now; ends a process that was cancelled and does not end by itself. Never waits."""
        if self.state != "RUNNING":
            return self.state
        code = self.process.poll()
        if code is None:
            if self.cancelled_at is not None and time.monotonic() - self.cancelled_at > GRACE_S:
                self.process.kill()
            return self.state
        self.reader.join(1)
        self.process.stderr.close()
        if self.cancelled_at is not None:
            self.state = "CANCELLED"
        elif code == 0:
            self.state = "DONE"
        else:
            self.state, self.error = "FAILED", self._why(code)
        return self.state

    def _why(self, code):
        said = [line for line in self.lines if line.startswith("kinequimation: ")]
        if said:
            return said[-1].removeprefix("kinequimation: ")
        last = next((line for line in reversed(self.lines) if line), "no message")
        if "No module named 'kinequimation'" in last:
            return f"Expected kinequimation in {self.python}, but it is not installed there. Install it (pip install kinequimation), or set another Python in the preferences."
        return f"kinequimation ended with exit code {code}: {last}"

    def cancel(self):
        """Asks the process to stop, so that it takes back what it had half written."""
        if self.state == "RUNNING" and self.cancelled_at is None:
            self.cancelled_at = time.monotonic()
            try:  # not SIGINT: a Blender that a shell has put into the background ignores it, and so do its children
                self.process.send_signal(signal.CTRL_BREAK_EVENT if sys.platform == "win32" else signal.SIGTERM)
            except OSError:
                self.process.terminate()

    def wait(self):
        while self.poll() == "RUNNING":
            time.sleep(0.05)
        return self.state

    def end(self):
        """Now: Blender is being closed."""
        if self.poll() == "RUNNING":
            self.cancel()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.poll()


def own_group():
    """Ctrl-C in Blender's terminal is Blender's alone."""
    return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if sys.platform == "win32" else {"start_new_session": True}
