# SPDX-License-Identifier: GPL-3.0-or-later
"""The cleanest stride of a clip as a loop that closes: its last frame is its first, a stride further on."""
import numpy as np

from . import keys, proportions
from .files import ClipError
from .maths import from_rotvec, inverse, matrix_to_quat, posed, quat_to_matrix, rigid, rotvec, slerp, unposed
from .retarget import ground_path, read_mapping

SHORTEST_S, LONGEST_S = 0.3, 2.5  # of a stride: a racing gallop and a slow walk
OPEN_M = 0.25                     # joints that far apart, in the mean, do not make a loop


def cut(clip, skeleton, mapping=None):
    """One stride of the clip, n + 1 frames of which the last is like the first but for the way covered; `meta["loop"]` says so.

    The stride is the one whose end is most like its beginning, in pose and in how it moves on. What is still left between them is spread
    over the stride: nothing jumps, and planted hooves stray by the least.
    """
    body, _ = body_and_path(clip, skeleton, mapping or read_mapping())
    first, period = best(body[..., :3, 3], clip["meta"]["fps"])
    length = max(2, round(period))
    out = resampled(clip, first + np.arange(length + 1) * period / length)
    share = np.linspace(0, 1, length + 1)
    _, path = body_and_path(out, skeleton, mapping or read_mapping())
    root = closed(inverse(path) @ posed(skeleton, out["rotation"], out["root_location"])[:, 0], share)
    placed = straight(path, share) @ root
    out["rotation"] = matrix_to_quat(closed(rigid(quat_to_matrix(out["rotation"]), np.zeros(out["rotation"].shape[:2] + (3,))), share)[..., :3, :3])
    out["root_location"], out["rotation"][:, 0] = placed[:, :3, 3], matrix_to_quat(skeleton["matrix_local"][0, :3, :3].T @ placed[:, :3, :3])
    if "contacts" in out:
        out["contacts"][-1] = out["contacts"][0]
    out["meta"] = dict(clip["meta"], loop=True, loop_from=int(first))
    out["rotation"], out["root_location"] = planted(skeleton, out)
    return out


def resampled(clip, at):
    """The clip at times `at`, in frames, between its own where need be; without its camera, which makes no loop."""
    low = np.minimum(at.astype(int), len(clip["rotation"]) - 2)
    share = (at - low)[:, None]
    out = {k: v for k, v in clip.items() if k not in ("camera_location", "camera_rotation")}
    out["rotation"] = slerp(clip["rotation"][low].astype(float), clip["rotation"][low + 1].astype(float), share[..., None])
    out["root_location"] = (1 - share) * clip["root_location"][low] + share * clip["root_location"][low + 1]
    if "contacts" in clip:
        out["contacts"] = np.asarray(clip["contacts"], bool)[low + (share[:, 0] >= 0.5)]
    return out


def planted(skeleton, clip):
    """Rotation and root location of the loop with its hooves set down again."""
    source = posed(skeleton, clip["rotation"], clip["root_location"])
    turn = source[..., :3, :3] @ np.swapaxes(skeleton["matrix_local"][:, :3, :3], -1, -2)
    contacts = clip["contacts"] if "contacts" in clip else proportions.find_contacts(proportions.tips(skeleton, source), clip["meta"]["fps"])
    return unposed(skeleton, proportions.planted(skeleton, turn, source[:, 0, :3, 3], np.asarray(contacts, bool), clip["meta"]))


def body_and_path(clip, skeleton, mapping):
    """The bones (T,B,4,4) as seen from the place on the ground below the horse, and that place (T,4,4)."""
    source = posed(skeleton, clip["rotation"], clip["root_location"])
    path, heading = ground_path(skeleton, source, mapping["root"], clip["meta"]["fps"])
    cos, sin, none = np.cos(heading), np.sin(heading), 0 * heading
    place = rigid(np.stack([cos, -sin, none, sin, cos, none, none, none, none + 1], -1).reshape(-1, 3, 3), path)
    return inverse(place)[:, None] @ source, place


def best(joints, fps):
    """First frame and length of the stride that closes best, from joints (T,B,3) m seen from the moving horse."""
    T = len(joints)
    shortest, longest = max(2, int(np.ceil(SHORTEST_S * fps))), min(int(LONGEST_S * fps), T - 1)
    if longest < shortest:
        raise ClipError(f"Expected a clip of at least one stride, but {T} frames at {fps:g} a second are only {T / fps:.2f} s. Film a little longer.")
    speed = np.gradient(joints, axis=0) * fps * 0.1  # m in a tenth of a second: as much as the pose itself
    state = np.concatenate([joints, speed], 1)
    lengths = np.arange(shortest, longest + 1)
    apart = {n: np.sqrt(np.square(state[n:] - state[:-n]).sum(-1).mean(1)) for n in lengths}
    typical = np.array([np.median(apart[n]) for n in lengths])
    least, most = typical.min(), typical.max()
    if most < 0.06:  # who stands closes everywhere: as long as may be
        k = len(lengths) - 1
    else:  # the first dip is one stride, later ones are several
        dips = [k for k in range(1, len(lengths) - 1) if typical[k] <= min(typical[k - 1], typical[k + 1]) and typical[k] < least + 0.3 * (most - least)]
        k = dips[0] if dips else int(typical.argmin())
    first = int(apart[lengths[k]][:max(1, T - lengths[k] - 1)].argmin())
    if np.linalg.norm(joints[first + lengths[k]] - joints[first], axis=-1).mean() > OPEN_M:
        raise ClipError("Expected a motion that repeats itself, but no two moments of the clip are alike. Choose a part with steady strides.")
    return first, min(lengths[k] + between(typical, k), T - 1 - first)


def between(values, k):
    """Where between the frames the least of the values is, from a parabola through those around k: -0.5 to 0.5."""
    if k in (0, len(values) - 1):
        return 0.0
    before, here, after = np.square(values[k - 1:k + 2])
    return float(np.clip((before - after) / max(2 * (before - 2 * here + after), 1e-12), -0.5, 0.5))


def closed(matrix, share):
    """Matrices (n+1,...,4,4) turned and moved a little more from frame to frame, so that the last is the first."""
    more = share.reshape(-1, *[1] * (matrix.ndim - 3), 1)
    missing = rotvec(np.swapaxes(matrix[-1, ..., :3, :3], -1, -2) @ matrix[0, ..., :3, :3])
    return rigid(matrix[..., :3, :3] @ from_rotvec(more * missing), matrix[..., :3, 3] + more * (matrix[0, ..., :3, 3] - matrix[-1, ..., :3, 3]))


def straight(path, share):
    """The path made to begin at the origin and to go straight on, as the loop does when it repeats; it keeps its pace within the stride."""
    began = inverse(path[0]) @ path
    way = began[:, :3, 3].copy()
    total = np.linalg.norm(way[-1])
    along = way @ way[-1] / total if total > 0.05 else share * 0
    turn = rotvec(began[:, :3, :3])
    turn = turn - share[:, None] * turn[-1]
    return rigid(from_rotvec(turn), np.outer(along, [0, -1.0, 0]))


def cycle(rig, carried):
    """The action repeats before and after its keys; the bones in `carried`, which are moved along the ground, go on from where they were."""
    bag, paths = keys.channels(rig), {keys.bone_path(bone, "location") for bone in carried}
    for curve in bag.fcurves:
        for modifier in list(curve.modifiers):
            curve.modifiers.remove(modifier)
        modifier = curve.modifiers.new("CYCLES")
        modifier.mode_before = modifier.mode_after = "REPEAT_OFFSET" if curve.data_path in paths else "REPEAT"
