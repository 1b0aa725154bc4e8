# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes in and what goes out: skeleton files, clips, and writing without leaving halves behind."""
import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np


class ClipError(ValueError):
    """Bad input: its message is the one line that a user sees."""


def read_skeleton(path):
    """The skeleton file as a dict of arrays: names, parents (B,), head/tail (B,3) m, roll (B,), matrix_local (B,4,4)."""
    bones = json.loads(Path(path).read_text(encoding="utf-8"))["bones"]
    out = {key: np.array([b[key] for b in bones], float) for key in ("head", "tail", "roll", "matrix_local")}
    u, _, vt = np.linalg.svd(out["matrix_local"][:, :3, :3])  # rounded in the file: made a rotation again
    out["matrix_local"][:, :3, :3] = u @ vt
    out["names"] = [b["name"] for b in bones]
    out["parents"] = [b["parent"] for b in bones]
    return out


def read_clip(path, skeleton):
    """A clip.npz as a dict: rotation (T,B,4) wxyz pose basis, root_location (T,3) m, meta, and the camera where it has one."""
    try:
        with np.load(path, allow_pickle=False) as data:
            clip = {key: data[key] for key in data.files}
        clip["meta"] = json.loads(str(clip["meta"]))
    except (OSError, ValueError, KeyError) as error:
        raise ClipError(f"Expected a motion clip (.npz), but {path} can't be read as one: {error}") from None
    bones = clip["meta"]["bones"]
    if list(bones) != list(skeleton["names"]):
        missing = [n for n in skeleton["names"] if n not in bones]
        raise ClipError(f"Expected a clip for the {len(skeleton['names'])} bones of the Rigify horse, but {path} has {len(bones)}"
                        + (f"; {missing[0]} is missing" if missing else " in another order") + ". Retarget it again.")
    expected, made_for = rest_hash(skeleton), clip["meta"].get("rest_hash")
    if made_for and made_for != expected:
        raise ClipError(f"Expected a clip for this horse's rest pose ({expected}), but {path} was made for another's ({made_for}). Retarget it again, or give its own skeleton.")
    if len(clip["rotation"]) == 0:
        raise ClipError(f"Expected a clip with at least one frame, but {path} has none.")
    if not np.isfinite(clip["rotation"]).all() or not np.isfinite(clip["root_location"]).all():
        raise ClipError(f"Expected finite rotations and root locations, but {path} has NaN in them. Refine and retarget it again.")
    return clip


def rest_hash(skeleton):
    """Names, tree and rest pose (to 10 micrometres) in 16 letters, as the library counts them: equal means that a clip of one fits the other."""
    text = json.dumps([skeleton["names"], skeleton["parents"]]).encode()
    rest = np.concatenate([skeleton["head"], skeleton["tail"]], 1).round(5) + 0.0  # no -0
    return hashlib.sha256(text + rest.astype("<f8").tobytes()).hexdigest()[:16]


def cut(clip, first, last, path="it"):
    """The clip's frames from `first` to `last`, counted from 1, both included; 0 as `last` means to the end."""
    n = len(clip["rotation"])
    last = last or n
    if not 1 <= first <= last <= n:
        raise ClipError(f"Expected frames between 1 and {n}, but {path} was asked for {first} to {last}.")
    return {key: value[first - 1:last] if np.ndim(value) and len(value) == n else value for key, value in clip.items()}


LONGEST = 10_000


def part(clip, frames, path):
    """The frames (first, last) of a clip, or all for None, if they are no more than a rig can be keyed and exported with; raises `ClipError`."""
    clip = cut(clip, *frames, path) if frames else clip
    if len(clip["rotation"]) > LONGEST:
        raise ClipError(f"Expected a clip of at most {LONGEST} frames, but {path} has {len(clip['rotation'])}. Take a part of it: --frames 1 {LONGEST}, and then the next.")
    return clip


@contextlib.contextmanager
def atomic_path(path):
    """A temporary path with the same suffix in the same folder; renamed to `path` on success, deleted on any failure."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    os.unlink(temporary)  # exporters want to make the file themselves
    try:
        yield Path(temporary)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def find_skeleton():
    """The horse's skeleton file: inside the extension, in the checkout, or in the installed package."""
    here = Path(__file__).resolve().parent
    for folder in (here, here.parents[1] / "kinequimation/assets/skeletons", here.parents[1] / "assets/skeletons"):
        if (folder / "horse.json").exists():
            return folder / "horse.json"
    raise ClipError(f"Expected the skeleton file horse.json in {here}, but it is not there. Install the extension again.")
