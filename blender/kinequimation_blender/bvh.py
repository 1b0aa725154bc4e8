# SPDX-License-Identifier: GPL-3.0-or-later
"""BVH in the axes that every reader of BVH expects: Y up, the horse facing +Z. Blender's own exporter leaves Z up.

Metres. A joint is a bone's head; its rotation at rest is none, whatever the bone's roll.
"""
import numpy as np

Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, y, z) -> (x, z, -y)


def write_bvh(path, skeleton, source, fps):
    """Hierarchy and motion of world matrices `source` (T,B,4,4) of the skeleton's bones."""
    order, lines = [], ["HIERARCHY"]
    _joint(skeleton, skeleton["parents"].index(-1), 0, lines, order)
    rotation, root = joint_rotations(skeleton, source)
    columns = [Y_UP @ root.T, *(euler_zxy(rotation[:, b]).T for b in order)]
    table = np.concatenate(columns).T
    lines += ["MOTION", f"Frames: {len(table)}", f"Frame Time: {1 / fps:.8f}"]
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("\n".join(lines) + "\n")
        np.savetxt(file, table, "%.6f")


def _joint(skeleton, bone, depth, lines, order):
    """One joint and those below it, as BVH nests them; `order` is the order of the columns."""
    parent, pad = skeleton["parents"][bone], "  " * depth
    offset = skeleton["head"][bone] - (skeleton["head"][parent] if parent >= 0 else 0)
    channels = "Zrotation Xrotation Yrotation"
    lines += [f"{pad}{'JOINT' if depth else 'ROOT'} DEF-{skeleton['names'][bone]}", pad + "{", f"{pad}  OFFSET {_numbers(offset * (depth > 0))}",
              f"{pad}  CHANNELS " + (f"3 {channels}" if depth else f"6 Xposition Yposition Zposition {channels}")]
    order.append(bone)
    children = [b for b, p in enumerate(skeleton["parents"]) if p == bone]
    for child in children:
        _joint(skeleton, child, depth + 1, lines, order)
    if not children:
        lines += [f"{pad}  End Site", pad + "  {", f"{pad}    OFFSET {_numbers(skeleton['tail'][bone] - skeleton['head'][bone])}", pad + "  }"]
    lines.append(pad + "}")


def _numbers(vector):
    return " ".join(f"{x:.6f}" for x in Y_UP @ vector)


def joint_rotations(skeleton, source):
    """Rotations (T,B,3,3) against the parent, Y up, none at rest; and the root's place (T,3), Z up."""
    turned = source[..., :3, :3] @ np.swapaxes(skeleton["matrix_local"][:, :3, :3], -1, -2)
    parents = np.array(skeleton["parents"])
    above = np.where((parents < 0)[:, None, None], np.eye(3), turned[:, np.maximum(parents, 0)])
    local = np.swapaxes(above, -1, -2) @ turned
    return Y_UP @ local @ Y_UP.T, source[:, int(np.flatnonzero(parents < 0)[0]), :3, 3]


def euler_zxy(rotation):
    """Degrees (T,3) in the order Z, X, Y of rotations (T,3,3) = Z X Y, without jumps over time."""
    z = np.arctan2(-rotation[:, 0, 1], rotation[:, 1, 1])
    x = np.arcsin(np.clip(rotation[:, 2, 1], -1, 1))
    y = np.arctan2(-rotation[:, 2, 0], rotation[:, 2, 2])
    return np.degrees(np.unwrap(np.stack([z, x, y], -1), axis=0))
