# SPDX-License-Identifier: GPL-3.0-or-later
"""From a clip to the keys of Rigify's controls, by rest offsets: `W_control = W_source R_source^-1 R_control`.

A control's key is what is left between where it would be without a key and where it should be. Where it would be without a key
depends on the controls above it, through Rigify's own constraints: `mechanics` works those out in numpy, for all frames at once.
The few controls that hang on a solver are keyed after Blender has been asked once; then it is asked whether all came out as
wanted, and what didn't, in those frames only, is mended.
"""
import contextlib
import json
import re
from pathlib import Path

import bpy
import numpy as np

from . import keys, proportions, reduction
from .files import ClipError
from .maths import continuous, from_rotvec, inverse, matrix_to_quat, posed, pure_rotation, quat_to_matrix, rigid, rotvec, swing
from .mechanics import Mechanics, Unknown
from .rig import set_properties, set_stretch
from .slices import drained

MAPPINGS = Path(__file__).parent / "mappings"
CHANNELS = {"location", "rotation", "twist", "plane"}
LIMBS = ("IK", "FK")
STEPS = 4


def read_mapping(path=MAPPINGS / "horse.json"):
    """The mapping file as a dict; raises `ClipError` that names the control."""
    try:
        mapping = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = [mapping["root"], *mapping["controls"]]
        mapping["properties"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ClipError(f"Expected a mapping file (JSON with root, properties and controls), but {path} is none: {error}. Export one with export_def_to_controller_mapping.py.") from None
    for number, row in enumerate(rows):
        missing = {"control", "bone"} - set(row) or ({"channels"} - set(row) if number else {"towards", "smooth_s"} - set(row))
        if missing:
            raise ClipError(f"Expected {sorted(missing)[0]} in row {number} of the mapping {path}, the one of {row.get('control', 'no control')}, but it isn't there.")
        unknown = set(row.get("channels", [])) - CHANNELS
        if unknown:
            raise ClipError(f"Expected the channels {sorted(CHANNELS)} for the control {row['control']}, but got {sorted(unknown)}.")
    return mapping


def retarget(rig, skeleton, clip, mapping, frames, action_name, progress=None, limbs="IK", in_place=False, reduce=None):
    """`retargeting` at a stretch; `progress(done, total)` is called after each step."""
    return drained(retargeting(rig, skeleton, clip, mapping, frames, action_name, limbs, in_place, reduce), progress)


def retargeting(rig, skeleton, clip, mapping, frames, action_name, limbs="IK", in_place=False, reduce=None):
    """Keys the rig's controls so that its DEF bones follow the clip; returns the bones' wanted matrices (T,B,4,4) in the rig's space.

    `skeleton` is the horse that the clip is of; a rig of other proportions gets its motion scaled, and its hooves set down again.
    `limbs`: which controls the legs listen to; both are keyed. `in_place`: without the path on the ground. `reduce`: None, or how
    far the curves may stray (mm, degrees) to have fewer keys. Raises `ClipError` before anything is changed.

    A generator, as `slices` has them: it may be interrupted wherever it yields.
    """
    check(rig, skeleton, mapping)
    if limbs not in LIMBS:
        raise ClipError(f"Expected the limbs to be one of {', '.join(LIMBS)}, but got {limbs}.")
    own = rest_of(rig, skeleton)
    source = proportions.fit(skeleton, clip, own)
    path, heading = ground_path(own, source, mapping["root"], clip["meta"]["fps"])
    if in_place:
        source, path, heading = standing(source, path, heading)
    yield 0, STEPS
    with quiet(rig):
        yield from key_everything(rig, own, source, mapping, (path, heading), frames, limbs, reduce, clip.get("contacts"), action_name)
    bpy.context.scene.frame_set(int(frames[0]))
    yield STEPS, STEPS
    return source


def key_everything(rig, own, source, mapping, ground, frames, limbs, reduce, contacts, action_name):
    set_stretch(rig, mapping["properties"])
    set_limbs(rig, mapping, "IK")
    bag, curves = keys.new_action(rig, action_name), keys.Curves(frames)
    root = key_root(curves, rig, mapping["root"], *ground, reduce)
    rows = [row for row in mapping["controls"] if row.get("only", "IK") == "IK"]
    wanted, later = key_known(curves, rig, own, source, rows, root, mapping)
    curves.write(bag)
    yield 1, STEPS
    yield from key_later(curves, bag, rig, own, source, rows, later, wanted)
    yield 2, STEPS
    yield from settle(curves, bag, rig, own, source, rows, wanted)
    yield 3, STEPS
    if limbs == "FK":
        set_limbs(rig, mapping, "FK")
        key_known(curves, rig, own, source, [row for row in mapping["controls"] if row.get("only") == "FK"], root, mapping)
        curves.write(bag)
    if reduce:
        yield from reduction.writing(curves, bag, rig, reduce, contacts)


def check(rig, skeleton, mapping):
    """The rig can be keyed, and has every bone and control that is named; or an error that names the first that it hasn't."""
    if rig is None or rig.type != "ARMATURE":
        raise ClipError(f"Expected an armature, but got {rig.type.lower() + ' ' + rig.name if rig else 'nothing'}. Choose Rigify's horse.")
    check_free(rig)
    if "rig_id" not in rig.data:
        raise ClipError(f"Expected a rig that Rigify generated, but {rig.name} isn't one. Generate Rigify's horse, or use a mapping for any rig (retarget_any.py).")
    for name in skeleton["names"]:
        if "DEF-" + name not in rig.data.bones:
            raise ClipError(f"Expected the rig {rig.name} to have the bone DEF-{name}, but it hasn't. Is it Rigify's horse?")
    for row in [mapping["root"], *mapping["controls"]]:
        if row["control"] not in rig.pose.bones:
            raise ClipError(f"Expected the rig {rig.name} to have the control {row['control']}, but it hasn't. Is it Rigify's horse?")
        for bone in [row["bone"], *row.get("plane", [])]:
            if bone not in skeleton["names"]:
                raise ClipError(f"Expected the mapping of {row['control']} to name a bone of the skeleton, but got {bone}.")
    for bone, prop, _ in mapping["properties"]:
        if bone not in rig.pose.bones or prop not in rig.pose.bones[bone]:
            raise ClipError(f"Expected the rig {rig.name} to have {prop} on the bone {bone}, but it hasn't. Is it Rigify's horse?")


def check_free(rig):
    """Nothing keeps the armature from being posed here; or an error that says what."""
    if rig.library:
        raise ClipError(f"Expected an armature of this file, but {rig.name} is linked from {rig.library.filepath}. Make a library override of it, or open that file.")
    if rig.data.pose_position == "REST":
        raise ClipError(f"Expected an armature that can be posed, but {rig.name} is locked in its rest position. Set it to Pose Position.")
    if rig.mode == "EDIT":
        raise ClipError(f"Expected an armature that can be posed, but {rig.name} is being edited. Leave its Edit Mode.")
    if rig.name not in bpy.context.view_layer.objects or rig.hide_viewport:
        raise ClipError(f"Expected an armature of this scene, but {rig.name} is hidden from it, and so does not move. Show it.")
    if rig.animation_data and rig.animation_data.use_tweak_mode:
        raise ClipError(f"Expected an armature whose action can be replaced, but a strip of {rig.name} is being tweaked, which locks it. Leave tweak mode in the NLA editor.")


def rest_of(rig, skeleton, within_m=1e-4):
    """The rig's own skeleton: that of the file with the rest pose of the rig's DEF bones."""
    bones = [rig.data.bones["DEF-" + n] for n in skeleton["names"]]
    own = dict(skeleton, head=np.array([b.head_local for b in bones]), tail=np.array([b.tail_local for b in bones]), matrix_local=np.array([b.matrix_local for b in bones]))
    same = max(np.abs(own[k] - skeleton[k]).max() for k in ("head", "tail", "matrix_local")) < within_m
    return skeleton if same else own


@contextlib.contextmanager
def quiet(rig):
    """What hangs on the rig is not moved along while it is read frame by frame."""
    follow = [m for o in bpy.data.objects if o.type == "MESH" for m in o.modifiers if m.type == "ARMATURE" and m.object == rig and m.show_viewport]
    for modifier in follow:
        modifier.show_viewport = False
    try:
        yield
    finally:
        for modifier in follow:
            modifier.show_viewport = True


def set_limbs(rig, mapping, limbs):
    """The mapping's properties, with the limbs listening to their IK or FK controls."""
    set_properties(rig, [[b, p, float(limbs == "FK") if p == "IK_FK" else v] for b, p, v in mapping["properties"]])
    rig.update_tag()
    bpy.context.view_layer.update()  # drivers pass it on to the constraints, which are read


def evaluate(rig, bones, frames, world=True):
    """Matrices (T,n,4,4) of the named pose bones as Blender evaluates them, frame by frame, in the world or in the rig's space."""
    return drained(evaluating(rig, bones, frames, world))


def evaluating(rig, bones, frames, world=True):
    pose, index = rig.pose.bones, [rig.pose.bones.find(b) for b in bones]
    buffer = np.empty(len(pose) * 16, np.float32)
    out = np.empty((len(frames), len(bones), 4, 4))
    with settled_drivers(rig):
        for t, frame in enumerate(frames):
            bpy.context.scene.frame_set(int(frame))
            pose.foreach_get("matrix", buffer)  # column by column
            out[t] = buffer.reshape(-1, 4, 4)[index].swapaxes(-1, -2)
            yield
    return np.array(rig.matrix_world) @ out if world else out


@contextlib.contextmanager
def settled_drivers(rig):
    """Drivers that read custom properties without keys say the same in every frame, and would take a third of the time: they rest meanwhile."""
    still = [curve for owner in (rig, rig.data) for curve in still_drivers(rig, owner)]
    for curve in still:
        curve.mute = True
    try:
        yield
    finally:
        for curve in still:
            curve.mute = False


def still_drivers(rig, owner):
    data = owner.animation_data
    if data is None or rig.animation_data and any(not track.mute for track in rig.animation_data.nla_tracks):
        return []
    bag = keys.channels(rig)
    keyed = {curve.data_path for curve in bag.fcurves} if bag else set()
    own = lambda target: target.id == rig and target.data_path.startswith("pose.bones[") and target.data_path.endswith('"]') and target.data_path not in keyed
    reads = lambda variable: variable.type == "SINGLE_PROP" and all(own(target) for target in variable.targets)
    return [curve for curve in data.drivers if not curve.mute and curve.driver.variables and all(reads(v) for v in curve.driver.variables)
            and not re.search(r"frame|random|noise", curve.driver.expression if curve.driver.type == "SCRIPTED" else "")]


# What numpy knows, what Blender must be asked, and whether it came out

def key_known(curves, rig, own, source, rows, root, mapping):
    """Keys every control whose place follows from others; returns where all should be (control -> (T,4,4)) and the rows left for later."""
    given = {kind + name: source[:, b] @ inverse(own["matrix_local"][b]) @ np.array(rig.data.bones[kind + name].matrix_local)
             for b, name in enumerate(own["names"]) for kind in ("ORG-", "DEF-") if kind + name in rig.data.bones}
    wanted = {row["control"]: wanted_matrix(rig, own, source, row) for row in mapping["controls"]}
    rules = {row["control"]: row["channels"] for row in mapping["controls"]}
    mechanics = Mechanics(rig, {**given, mapping["root"]["control"]: root}, wanted, *({c for c, r in rules.items() if k in r} for k in ("rotation", "location")))
    return wanted, key_rows(curves, rig, own, source, rows, wanted, mechanics)


def key_rows(curves, rig, own, source, rows, wanted, mechanics):
    """Keys the rows of which `mechanics` knows where they are without keys; returns the others."""
    later = []
    for row in rows:
        try:
            unkeyed = mechanics.unkeyed(row["control"])
            key_control(curves, rig, own, source, row, unkeyed, wanted[row["control"]], mechanics.location_axes(row["control"], unkeyed))
        except Unknown:
            later.append(row)
    return later


def key_later(curves, bag, rig, own, source, rows, later, wanted):
    """Keys the controls that hang on a solver: Blender says where they are without keys, storey by storey where they hang on each other."""
    for step in levels(rig, later):
        unkeyed = yield from evaluating(rig, [row["control"] for row in step], curves.frames, world=False)
        for i, row in enumerate(step):
            key_control(curves, rig, own, source, row, unkeyed[:, i], wanted[row["control"]])
        curves.write(bag)


def settle(curves, bag, rig, own, source, rows, wanted, within_deg=0.15, within_mm=0.2, rounds=6):
    """Reads the result and mends what came out otherwise than the formulas have it, in the frames where it did.

    Blender's solver leaves the plane that an IK limb was asked to bend in by a degree or so, and takes the heel along. If there are
    no keys that fit (a control that copies more of another's turn than Euler angles can hold), the copying is muted in the last round.
    """
    limbs, free = [row for row in rows if "plane" in row], [row for row in rows if not {"plane", "twist"} & set(row["channels"]) or "location" in row["channels"]]
    joints, above, todo = ["DEF-" + n for row in limbs for n in row["plane"]], dependencies(rig), np.arange(len(curves.frames))
    names = [row["control"] for row in free]
    for n in range(rounds):
        got = yield from evaluating(rig, joints + names, curves.frames[todo], world=False)
        aim = np.stack([wanted[c][todo] for c in names], 1)
        degrees = angles(got[:, len(joints):], aim) * ["rotation" in row["channels"] for row in free]
        mm = 1000 * np.linalg.norm(got[:, len(joints):, :3, 3] - aim[..., :3, 3], axis=-1) * ["location" in row["channels"] for row in free]
        off = (degrees > within_deg) | (mm > within_mm)
        beside = plane_errors(own, source[todo], limbs, got[:, :len(joints), :3, 3])
        bad = off.any(1) | (np.abs(np.degrees(beside)) > within_deg).any(1)
        if not bad.any() or n == rounds - 1:
            break
        key_planes(curves, limbs, todo, np.where(bad[:, None], beside, 0))
        names_off = {c for c, any_off in zip(names, off.any(0)) if any_off}
        if n == rounds - 2:
            mute_copies(rig, names_off)
        for i in [i for i, row in enumerate(free) if row["control"] in names_off and not names_off & ancestors(row["control"], above)]:
            key_again(curves, rig, free[i], got[:, len(joints) + i], aim[:, i], todo, off[:, i])
        curves.write(bag)
        todo = todo[bad]


def mute_copies(rig, controls):
    for constraint in [c for name in controls for c in rig.pose.bones[name].constraints if c.type == "COPY_ROTATION"]:
        constraint.mute = True


def plane_errors(own, source, limbs, joints):
    """(T,n) rad by which each IK limb's middle joint (of `joints` (T,3n,3)) is beside its plane, about the line from its top to its end."""
    out = np.zeros((len(source), len(limbs)))
    for i, row in enumerate(limbs):
        top, middle, end = (joints[:, 3 * i + k] for k in range(3))
        axis = (end - top) / np.linalg.norm(end - top, axis=-1, keepdims=True)
        got, wanted = chain_normal(top, middle, end), chain_normal(*(source[:, own["names"].index(n), :3, 3] for n in row["plane"]))
        out[:, i] = np.arctan2((np.cross(got, wanted) * axis).sum(-1), (got * wanted).sum(-1))
    return out


def key_planes(curves, limbs, todo, more):
    for i, row in enumerate(limbs):
        twisted = curves.get(row["control"], "rotation_euler", 3).copy()
        twisted[todo, 1] += more[:, i]
        curves.set(row["control"], "rotation_euler", twisted)


def key_again(curves, rig, row, got, wanted, todo, where):
    """Keys a control anew in the frames `todo[where]`: where it would be without a key follows from where it is with it."""
    basis = curves.basis(row["control"])
    unkeyed = got @ inverse(basis[todo])
    changed = todo[where]
    if "location" in row["channels"]:
        location = curves.get(row["control"], "location", 3).copy()
        turn = pure_rotation(unkeyed[:, :3, :3])  # what is missing is added, so that it does not matter along which axes it is keyed
        location[changed] = basis[changed, :3, 3] + (np.swapaxes(turn, -1, -2) @ (wanted[:, :3, 3] - got[:, :3, 3])[..., None])[where, :, 0]
        curves.set(row["control"], "location", location)
    if "rotation" in row["channels"]:
        quat = matrix_to_quat(basis[:, :3, :3])
        quat[changed] = matrix_to_quat((np.swapaxes(pure_rotation(unkeyed[:, :3, :3]), -1, -2) @ wanted[:, :3, :3])[where])
        curves.set(row["control"], "rotation_quaternion", continuous(quat))


def angles(got, wanted):
    """Degrees (...) between the rotations of matrices (...,4,4)."""
    between = np.swapaxes(pure_rotation(got[..., :3, :3]), -1, -2) @ wanted[..., :3, :3]
    return np.degrees(np.linalg.norm(rotvec(between), axis=-1))


def levels(rig, rows):
    """Lists of mapping rows such that none depends on another of its own list, only on those of earlier lists."""
    names, above = {row["control"] for row in rows}, dependencies(rig)
    below = {row["control"]: names & (ancestors(row["control"], above) - {row["control"]}) for row in rows}
    steps, done = [], set()
    while len(done) < len(names):
        ready = [row for row in rows if row["control"] not in done and below[row["control"]] <= done]
        ready = ready or [row for row in rows if row["control"] not in done]  # a ring: settled afterwards
        steps.append(ready)
        done |= {row["control"] for row in ready}
    return steps


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


def ancestors(bone, above):
    seen, waiting = set(), [bone]
    while waiting:
        waiting += above[waiting.pop()] - seen
        seen |= set(waiting)
    return seen


# One control's keys

def wanted_matrix(rig, own, source, row):
    b = own["names"].index(row["bone"])
    rest_control = np.array(rig.data.bones[row["control"]].matrix_local)
    return source[:, b] @ inverse(own["matrix_local"][b]) @ rest_control


def key_control(curves, rig, own, source, row, unkeyed, wanted, axes=None):
    """The keys (local to the control) that carry it from `unkeyed` (T,4,4) to `wanted`."""
    name, turn = row["control"], pure_rotation(unkeyed[:, :3, :3])
    if "location" in row["channels"]:
        offset = np.swapaxes(turn if axes is None else axes, -1, -2) @ (wanted[:, :3, 3] - unkeyed[:, :3, 3])[..., None]
        curves.set(name, "location", offset[..., 0])
    if "rotation" in row["channels"]:
        key_rotation(curves, rig.pose.bones[name], np.swapaxes(turn, -1, -2) @ wanted[:, :3, :3])
    if "twist" in row["channels"]:
        key_twist(curves, name, twist(turn, wanted[:, :3, :3]))
    if "plane" in row["channels"]:
        key_twist(curves, name, plane(rig, own, source, row, turn))


def key_rotation(curves, bone, rotation):
    bone.rotation_mode, bone.lock_rotation = "QUATERNION", (False, False, False)  # what is keyed can be edited
    curves.set(bone.name, "rotation_quaternion", continuous(matrix_to_quat(rotation)))


def key_twist(curves, name, angle):
    """Rigify locks X and Z of these controls: they turn about their own length only."""
    values = np.zeros((len(angle), 3))
    values[:, 1] = np.unwrap(angle)
    curves.set(name, "rotation_euler", values)


def twist(turn, wanted):
    """Angle about Y after which the least swing of Y ends in `wanted`; turning about Y leaves that swing as it is."""
    swung = swing(turn[..., 1], wanted[..., 1]) @ turn
    rest = np.swapaxes(swung, -1, -2) @ wanted
    return np.arctan2(rest[..., 0, 2], rest[..., 0, 0])


def plane(rig, own, source, row, turn, rounds=8):
    """Angle about the IK control's Y that puts the middle joint of a two-bone chain where the source has it.

    The chain hangs on the control, swings as a whole to its target, and then bends about its own hinge, which need not be square to it.
    """
    index = [own["names"].index(n) for n in row["plane"]]
    rest, bend = np.array(rig.data.bones[row["control"]].matrix_local)[:3, :3], own["matrix_local"][index[1], :3, 0]
    top, middle, end = (source[:, i, :3, 3] for i in index)
    wanted, target = chain_normal(top, middle, end), unit(end - top)
    line, normal = bent_chain(*(own["head"][index] @ rest), bend @ rest, np.linalg.norm(end - top, axis=-1))
    angle = np.zeros(len(source))
    for _ in range(rounds):
        hung = turn @ about_y(angle)
        got = (swing(hung @ line, target) @ hung @ normal[..., None])[..., 0]
        angle = angle + np.arctan2((np.cross(got, wanted) * target).sum(-1), (got * wanted).sum(-1))
    return angle


def bent_chain(top, middle, end, hinge, reach):
    """The line (3,) from top to end at rest, and the normals (T,3) of the chain bent to `reach` (T,) and swung back onto that line."""
    upper, lower, along = middle - top, end - middle, unit(end - top)
    # |upper + lower turned about the hinge| = reach, solved for the angle: a cos + b sin = c
    a, b = upper @ lower - (upper @ hinge) * (lower @ hinge), upper @ np.cross(hinge, lower)
    c = (reach**2 - upper @ upper - lower @ lower) / 2 - (upper @ hinge) * (lower @ hinge)
    spread, middle_angle = np.arccos(np.clip(c / np.hypot(a, b), -1, 1)), np.arctan2(b, a)
    both = np.stack([np.angle(np.exp(1j * (middle_angle + sign * spread))) for sign in (1, -1)])
    bent = from_rotvec(np.take_along_axis(both, np.abs(both).argmin(0)[None], 0)[0][:, None] * hinge) @ lower + upper
    back = swing(unit(bent), along)
    return along, (back @ unit(np.cross(bent, upper))[..., None])[..., 0]


def about_y(angle):
    none = 0 * angle
    return np.stack([np.cos(angle), none, np.sin(angle), none, none + 1, none, -np.sin(angle), none, np.cos(angle)], -1).reshape(-1, 3, 3)


def unit(vector):
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def chain_normal(top, middle, end):
    return unit(np.cross(end - top, middle - top))


# The path on the ground

def key_root(curves, rig, row, path, heading, reduce=None):
    """`root` carries the smoothed path on the ground and the heading, so that the whole horse can be moved by it; returns where it is.

    Everything hangs on it: if its keys will be fewer, then now, so that all others are keyed against the curves that will be there.
    """
    rest = np.array(rig.data.bones[row["control"]].matrix_local)
    turn = np.stack([np.cos(heading / 2), 0 * heading, 0 * heading, np.sin(heading / 2)], -1)  # about the world's Z
    axes = rest[:3, :3].T @ [0, 0, 1]
    rig.pose.bones[row["control"]].rotation_mode = "QUATERNION"
    curves.set(row["control"], "location", (path - rest[:3, 3]) @ rest[:3, :3])
    curves.set(row["control"], "rotation_quaternion", continuous(np.concatenate([turn[:, :1], turn[:, 3:] * axes], -1)))
    if reduce:
        reduction.settle_root(curves, row["control"])
    return rest @ curves.basis(row["control"])


def standing(source, path, heading):
    """The motion without its path on the ground, and the path and heading of a horse that stays where it is."""
    none = 0 * heading
    cos, sin = np.cos(heading), np.sin(heading)
    turn = np.stack([cos, -sin, none, sin, cos, none, none, none, none + 1], -1).reshape(-1, 3, 3)
    return inverse(rigid(turn, path))[:, None] @ source, 0 * path, none


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
    got = evaluate(rig, ["DEF-" + n for n in skeleton["names"]], frames, world=False)
    distance = 1000 * np.linalg.norm(got[..., :3, 3] - source[..., :3, 3], axis=-1)
    return distance, angles(got, source)
