# SPDX-License-Identifier: GPL-3.0-or-later
"""BVH in the axes that every reader of BVH expects: Y up, the horse facing +Z. Blender's own exporter leaves Z up.

A joint is a bone's head; its rotation at rest is none, whatever the bone's roll. A joint that also shifts against its parent,
as the joints of a control rig do where a tweak is keyed, has six channels; all others have three.
"""
import numpy as np

Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, y, z) -> (x, z, -y)
SHIFT_M = 1e-4  # a joint that moves less against its parent has no position channels


def write(path, motion, size=1.0):
    """Hierarchy and motion; `size` is how many of the file's units make a metre."""
    turn, offset, shift = joints(motion)
    moved = np.abs(shift).max((0, 2)) > SHIFT_M
    lines, order = ["HIERARCHY"], []
    _joint(motion, motion.parents.index(-1), 0, size, offset, moved, lines, order)
    columns = []
    for b in order:
        if motion.parents[b] < 0 or moved[b]:
            columns.append(size * (offset[b] + shift[:, b]) @ Y_UP.T)
        columns.append(euler_zxy(Y_UP @ turn[:, b] @ Y_UP.T))
    lines += ["MOTION", f"Frames: {len(motion.world)}", f"Frame Time: {1 / motion.fps:.8f}"]
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("\n".join(lines) + "\n")
        np.savetxt(file, np.concatenate(columns, 1), "%.6f")


def joints(motion):
    """Turns (T,B,3,3) against the parent, none at rest; offsets (B,3) from the parent's joint at rest, and shifts (T,B,3) from there; Z up.

    The root's offset is nothing: its shift is its place.
    """
    delta = motion.world[..., :3, :3] @ np.swapaxes(motion.rest[:, :3, :3], -1, -2)
    parents, above = np.array(motion.parents), np.maximum(motion.parents, 0)
    root = (parents < 0)[:, None]
    delta_above = np.where(root[..., None], np.eye(3), delta[:, above])
    offset = np.where(root, 0, motion.rest[:, :3, 3] - motion.rest[above][:, :3, 3])
    along = motion.world[..., :3, 3] - np.where(root, 0, motion.world[:, above][..., :3, 3])
    shift = (np.swapaxes(delta_above, -1, -2) @ along[..., None])[..., 0] - offset
    return np.swapaxes(delta_above, -1, -2) @ delta, offset, shift


def _joint(motion, bone, depth, size, offset, moved, lines, order):
    """One joint and those below it, as BVH nests them; `order` is the order of the columns."""
    pad, turns = "  " * depth, "Zrotation Xrotation Yrotation"
    channels = f"6 Xposition Yposition Zposition {turns}" if depth == 0 or moved[bone] else f"3 {turns}"
    lines += [f"{pad}{'JOINT' if depth else 'ROOT'} {motion.names[bone]}", pad + "{", f"{pad}  OFFSET {_numbers(size * offset[bone])}", f"{pad}  CHANNELS {channels}"]
    order.append(bone)
    for child in motion.children(bone):
        _joint(motion, child, depth + 1, size, offset, moved, lines, order)
    if not motion.children(bone):
        lines += [f"{pad}  End Site", pad + "  {", f"{pad}    OFFSET {_numbers(size * (motion.tail[bone] - motion.rest[bone, :3, 3]))}", pad + "  }"]
    lines.append(pad + "}")


def _numbers(vector):
    return " ".join(f"{x:.6f}" for x in Y_UP @ vector)


def euler_zxy(rotation):
    """Degrees (T,3) in the order Z, X, Y of rotations (T,3,3) = Z X Y, without jumps over time."""
    z = np.arctan2(-rotation[:, 0, 1], rotation[:, 1, 1])
    x = np.arcsin(np.clip(rotation[:, 2, 1], -1, 1))
    y = np.arctan2(-rotation[:, 2, 0], rotation[:, 2, 2])
    return np.degrees(np.unwrap(np.stack([z, x, y], -1), axis=0))
