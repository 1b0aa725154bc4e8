# SPDX-License-Identifier: GPL-3.0-or-later
"""From a clip to the keys of Rigify's controls, by rest offsets: `W_control = W_source R_source^-1 R_control`.

A control's key is what is left between where it would be without a key and where it should be. Where it would be without a key
depends on the controls above it, through Rigify's own constraints: so the controls are done level by level, and at each level
Blender itself is asked where the unkeyed controls are.
"""
import json
from pathlib import Path

import bpy
import numpy as np

from . import keys
from .files import ClipError
from .maths import continuous, inverse, matrix_to_quat, posed, pure_rotation, swing
from .rig import forbid_stretch, set_properties

MAPPINGS = Path(__file__).parent / "mappings"
CHANNELS = {"location", "rotation", "twist", "plane"}


def read_mapping(path=MAPPINGS / "horse.json"):
    mapping = json.loads(Path(path).read_text(encoding="utf-8"))
    for row in mapping["controls"]:
        unknown = set(row["channels"]) - CHANNELS
        if unknown:
            raise ClipError(f"Expected the channels {sorted(CHANNELS)} for the control {row['control']}, but got {sorted(unknown)}.")
    return mapping


def retarget(rig, skeleton, clip, mapping, frames, action_name, progress=None):
    """Keys the rig's controls so that its DEF bones follow the clip; returns the source's world matrices (T,B,4,4)."""
    check(rig, skeleton, mapping)
    set_properties(rig, mapping["properties"])
    forbid_stretch(rig)
    source = posed(skeleton, clip["rotation"], clip["root_location"])
    bag = keys.new_action(rig, action_name)
    key_root(bag, rig, skeleton, source, mapping["root"], clip["meta"]["fps"], frames)
    steps = levels(rig, mapping)
    for number, rows in enumerate(steps):
        if progress:
            progress(number, len(steps))
        unkeyed = evaluate(rig, [row["control"] for row in rows], frames)
        together = {row["control"]: row for row in rows}
        for i, row in enumerate(rows):
            holder = together.get(rigid_holder(rig, row["control"], together))
            at = carried_along(rig, skeleton, source, holder, row) if holder else unkeyed[:, i]
            key_control(bag, rig, skeleton, source, row, at, frames)
    settle(bag, rig, skeleton, source, steps, frames)
    bpy.context.scene.frame_set(int(frames[0]))
    return source


def check(rig, skeleton, mapping):
    """Every bone and control that the mapping names is there, or an error that names the first that isn't."""
    for row in [mapping["root"], *mapping["controls"]]:
        if row["control"] not in rig.pose.bones:
            raise ClipError(f"Expected the rig {rig.name} to have the control {row['control']}, but it hasn't. Is it Rigify's horse?")
        for bone in [row["bone"], *row.get("plane", [])]:
            if bone not in skeleton["names"]:
                raise ClipError(f"Expected the mapping of {row['control']} to name a bone of the skeleton, but got {bone}.")


def evaluate(rig, bones, frames):
    """World matrices (T,n,4,4) of the named pose bones as Blender evaluates them, frame by frame."""
    pose, index = rig.pose.bones, [rig.pose.bones.find(b) for b in bones]
    buffer = np.empty(len(pose) * 16, np.float32)
    out = np.empty((len(frames), len(bones), 4, 4))
    world = np.array(rig.matrix_world)
    for t, frame in enumerate(frames):
        bpy.context.scene.frame_set(int(frame))
        pose.foreach_get("matrix", buffer)  # column by column
        out[t] = world @ buffer.reshape(-1, 4, 4)[index].swapaxes(-1, -2)
    return out


# Which controls can be done together

def levels(rig, mapping):
    """Lists of mapping rows such that none depends on another of its own list through a mechanism, only on those of earlier lists.

    A control that hangs rigidly on another needs no list of its own: where it would be unkeyed follows from where the other should be.
    """
    rows = {row["control"]: row for row in mapping["controls"]}
    above, depth = dependencies(rig), {}

    def level(bone):
        if bone not in depth:
            depth[bone] = -1  # a bone that depends on itself through a constraint does not count
            holder = rigid_holder(rig, bone, rows) if bone in rows else None
            depth[bone] = level(holder) if holder else max((level(b) + (b in rows) for b in above[bone]), default=0)
        return depth[bone]

    order = sorted(rows, key=level)
    return [[rows[c] for c in order if depth[c] == d] for d in sorted({depth[c] for c in order})]


def rigid_holder(rig, bone, rows):
    """The mapped control that is the bone's very parent and turns it, with no constraint in between; or None.

    Only for controls that are turned: where a parent that is itself only turned has its head, the controls above it decide.
    """
    pose = rig.pose.bones[bone]
    if pose.parent is None or pose.parent.name not in rows or "location" in rows[bone]["channels"] or any(not c.mute for c in pose.constraints):
        return None
    return pose.parent.name if "rotation" in rows[pose.parent.name]["channels"] else None


def dependencies(rig):
    """For each bone the bones it hangs on: its parent and the targets of its constraints."""
    out = {}
    for bone in rig.pose.bones:
        names = {bone.parent.name} if bone.parent else set()
        for constraint in bone.constraints:
            if constraint.mute:
                continue
            names |= {t.subtarget for t in getattr(constraint, "targets", []) if t.weight > 0}  # parents that are switched off have none
            names.add(getattr(constraint, "subtarget", ""))
        out[bone.name] = {n for n in names if n in rig.pose.bones and n != bone.name}
    return out


# One control's keys

def key_control(bag, rig, skeleton, source, row, unkeyed, frames):
    """The keys (local to the control) that carry it from `unkeyed` (T,4,4) to where the source wants it."""
    name, wanted = row["control"], wanted_matrix(rig, skeleton, source, row)
    turn = pure_rotation(unkeyed[:, :3, :3])
    if "location" in row["channels"]:
        offset = np.swapaxes(turn, -1, -2) @ (wanted[:, :3, 3] - unkeyed[:, :3, 3])[..., None]
        keys.write(bag, keys.bone_path(name, "location"), frames, offset[..., 0], name)
    if "rotation" in row["channels"]:
        key_rotation(bag, rig.pose.bones[name], np.swapaxes(turn, -1, -2) @ wanted[:, :3, :3], frames)
    if "twist" in row["channels"]:
        key_twist(bag, rig.pose.bones[name], twist(turn, wanted[:, :3, :3]), frames)
    if "plane" in row["channels"]:
        key_twist(bag, rig.pose.bones[name], plane(rig, skeleton, source, row, turn), frames)


def settle(bag, rig, skeleton, source, steps, frames, within_deg=0.2, rounds=3):
    """Reads the result and mends what came out otherwise than the formulas have it. Two things do.

    Blender's solver leaves the plane that an IK limb was asked to bend in by a degree or so. And controls that copy a share of
    another's rotation (tail, ears) copy it as Euler angles near their own, so that a large key changes what is copied; if there
    are no keys that fit, the copying is muted in the last round, for these controls alone.
    """
    rows = [row for step in steps for row in step]
    limbs, turned = [row for row in rows if "plane" in row], [row for row in rows if "rotation" in row["channels"] and row.get("limb") != "IK"]
    wanted = np.stack([wanted_matrix(rig, skeleton, source, row) for row in turned], 1)
    above, joints = dependencies(rig), ["DEF-" + n for row in limbs for n in row["plane"]]
    for n in range(rounds):
        got = evaluate(rig, joints + [row["control"] for row in turned], frames)
        off = {row["control"] for row, angle in zip(turned, angles(got[:, len(joints):], wanted).max(0)) if angle > within_deg}
        if n == 0:
            key_planes(bag, rig, skeleton, source, limbs, got[:, :len(joints), :3, 3], frames)
            off |= {row["control"] for row in limbs}
        elif not off:
            break
        for constraint in [c for name in off for c in rig.pose.bones[name].constraints if n == rounds - 1 and c.type == "COPY_ROTATION"]:
            constraint.mute = True
        for step in steps:
            again = [row for row in step if "plane" not in row and (row["control"] in off or off & ancestors(row["control"], above)) and "twist" not in row["channels"]]
            if again:
                key_again(bag, rig, skeleton, source, again, frames)
        if n == 0 and off == {row["control"] for row in limbs}:
            break


def key_planes(bag, rig, skeleton, source, limbs, joints, frames):
    """Turns each IK limb about the line from its top to its end by as much as its middle joint (of `joints` (T,3n,3)) is beside its plane."""
    for i, row in enumerate(limbs):
        top, middle, end = (joints[:, 3 * i + k] for k in range(3))
        axis = (end - top) / np.linalg.norm(end - top, axis=-1, keepdims=True)
        got, wanted = chain_normal(top, middle, end), chain_normal(*(source[:, skeleton["names"].index(n), :3, 3] for n in row["plane"]))
        off = np.arctan2((np.cross(got, wanted) * axis).sum(-1), (got * wanted).sum(-1))
        key_twist(bag, rig.pose.bones[row["control"]], keys.read(bag, keys.bone_path(row["control"], "rotation_euler"), 1, frames) + off, frames)


def key_again(bag, rig, skeleton, source, rows, frames):
    """Keys controls anew that have keys: where they would be without them follows from where they are with them."""
    before = [keys.basis(bag, row["control"], frames) for row in rows]
    keyed = evaluate(rig, [row["control"] for row in rows], frames)
    for i, row in enumerate(rows):
        key_control(bag, rig, skeleton, source, row, keyed[:, i] @ inverse(before[i]), frames)


def angles(got, wanted):
    """Degrees (...) between the rotations of matrices (...,4,4)."""
    between = np.swapaxes(pure_rotation(got[..., :3, :3]), -1, -2) @ wanted[..., :3, :3]
    return np.degrees(np.arccos(np.clip((np.trace(between, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))


def ancestors(bone, above):
    seen, waiting = set(), [bone]
    while waiting:
        waiting += above[waiting.pop()] - seen
        seen |= set(waiting)
    return seen


def wanted_matrix(rig, skeleton, source, row):
    b = skeleton["names"].index(row["bone"])
    rest_control = np.array(rig.data.bones[row["control"]].matrix_local)
    return source[:, b] @ inverse(skeleton["matrix_local"][b]) @ rest_control


def carried_along(rig, skeleton, source, holder, row):
    """How a control is turned without a key once its parent control is as it should be."""
    rest = {r["control"]: np.array(rig.data.bones[r["control"]].matrix_local) for r in (holder, row)}
    return wanted_matrix(rig, skeleton, source, holder) @ inverse(rest[holder["control"]]) @ rest[row["control"]]


def key_rotation(bag, bone, rotation, frames):
    bone.rotation_mode, bone.lock_rotation = "QUATERNION", (False, False, False)  # what is keyed can be edited
    keys.write(bag, keys.bone_path(bone.name, "rotation_quaternion"), frames, continuous(matrix_to_quat(rotation)), bone.name)


def key_twist(bag, bone, angle, frames):
    """Rigify locks X and Z of these controls: they turn about their own length only."""
    values = np.zeros((len(frames), 3))
    values[:, 1] = np.unwrap(angle)
    keys.write(bag, keys.bone_path(bone.name, "rotation_euler"), frames, values, bone.name)


def twist(turn, wanted):
    """Angle about Y after which the least swing of Y ends in `wanted`; turning about Y leaves that swing as it is."""
    swung = swing(turn[..., 1], wanted[..., 1]) @ turn
    rest = np.swapaxes(swung, -1, -2) @ wanted
    return np.arctan2(rest[..., 0, 2], rest[..., 0, 0])


def plane(rig, skeleton, source, row, turn):
    """Angle about the IK control's Y that puts the middle joint of a two-bone chain where the source has it.

    The chain first swings to its target, which a turn about Y leaves as it is, and then bends about its own hinge.
    """
    index = [skeleton["names"].index(n) for n in row["plane"]]
    rest = np.array(rig.data.bones[row["control"]].matrix_local)[:3, :3]
    hinge = rest.T @ chain_normal(*skeleton["head"][index])
    top, middle, end = (source[:, i, :3, 3] for i in index)
    wanted, to_target = chain_normal(top, middle, end), end - top
    swung = swing(turn[..., 1], to_target / np.linalg.norm(to_target, axis=-1, keepdims=True)) @ turn
    local = (np.swapaxes(swung, -1, -2) @ wanted[..., None])[..., 0]
    return np.arctan2(local[:, 0], local[:, 2]) - np.arctan2(hinge[0], hinge[2])


def chain_normal(top, middle, end):
    normal = np.cross(end - top, middle - top)
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)


# The path on the ground

def key_root(bag, rig, skeleton, source, row, fps, frames):
    """`root` carries the smoothed path on the ground and the heading, so that the whole horse can be moved by it."""
    path, heading = ground_path(skeleton, source, row, fps)
    control = np.array(rig.data.bones[row["control"]].matrix_local)
    turn = np.stack([np.cos(heading / 2), 0 * heading, 0 * heading, np.sin(heading / 2)], -1)  # about the world's Z
    local = (path - control[:3, 3]) @ control[:3, :3]
    axes = np.concatenate([[1], control[:3, :3].T @ [0, 0, 1]])
    turn = np.concatenate([turn[:, :1], turn[:, 3:] * axes[1:]], -1)
    rig.pose.bones[row["control"]].rotation_mode = "QUATERNION"
    keys.write(bag, keys.bone_path(row["control"], "location"), frames, local, row["control"])
    keys.write(bag, keys.bone_path(row["control"], "rotation_quaternion"), frames, continuous(turn), row["control"])


def ground_path(skeleton, source, row, fps):
    """Path (T,3) m of the point on the ground under the rest pose's origin, and heading (T,) rad, both smoothed."""
    back, front = (skeleton["names"].index(row[k]) for k in ("bone", "towards"))
    along = source[:, front, :2, 3] - source[:, back, :2, 3]
    rest = skeleton["head"][front, :2] - skeleton["head"][back, :2]
    heading = smooth(np.unwrap(np.arctan2(along[:, 1], along[:, 0])) - np.arctan2(rest[1], rest[0]), row["smooth_s"] * fps)
    heading -= 2 * np.pi * np.round(heading[0] / (2 * np.pi))
    cos, sin = np.cos(heading), np.sin(heading)
    x, y = skeleton["head"][back, :2]
    origin = source[:, back, :2, 3] - np.stack([cos * x - sin * y, sin * x + cos * y], -1)
    return np.pad(smooth(origin, row["smooth_s"] * fps), ((0, 0), (0, 1))), heading


def smooth(values, sigma):
    """Gaussian along time; beyond both ends the values go on as a mirror image through the end point, so that a walk stays a line."""
    values = np.asarray(values, float)
    n = min(int(3 * sigma), len(values) - 1)
    if n < 1:
        return values
    head, tail = 2 * values[:1] - values[n:0:-1], 2 * values[-1:] - values[-2:-n - 2:-1]
    padded = np.concatenate([head, values, tail])
    kernel = np.exp(-0.5 * (np.arange(-n, n + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.reshape(len(padded), -1).T], -1).reshape(values.shape)


# How near it came

def measure(rig, skeleton, source, frames):
    """Distance (T,B) in mm between the heads of the rig's DEF bones and the source's, and the angle (T,B) in degrees."""
    got = evaluate(rig, ["DEF-" + n for n in skeleton["names"]], frames)
    distance = 1000 * np.linalg.norm(got[..., :3, 3] - source[..., :3, 3], axis=-1)
    return distance, angles(got, source)
