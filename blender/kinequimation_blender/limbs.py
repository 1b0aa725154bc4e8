# SPDX-License-Identifier: GPL-3.0-or-later
"""A leg from IK to FK and back in the middle of an animation, without its pose changing: hoof included."""
import bpy
import numpy as np

from . import keys, retarget
from .files import ClipError
from .mechanics import Mechanics
from .slices import drained

LEGS = ("LH", "LF", "RH", "RF")


def switch(rig, skeleton, mapping, legs, to, frames=None):
    """Keys the controls of the mode `to` ("IK" or "FK") so that the legs stay as they are in every frame, and has them listen to these.

    `legs`: some of LH, LF, RH, RF. `frames`: of the whole action if left out. Raises `ClipError` before anything is changed.
    """
    retarget.check(rig, skeleton, mapping)
    unknown = sorted(set(legs) - set(LEGS))
    if unknown or to not in retarget.LIMBS:
        raise ClipError(f"Expected legs out of {', '.join(LEGS)} and IK or FK, but got {unknown[0] if unknown else to}.")
    bag = keys.channels(rig)
    if bag is None or not len(bag.fcurves):
        raise ClipError(f"Expected {rig.name} to be animated, but it has no keys. Retarget a clip onto it first.")
    frames = frame_range(bag) if frames is None else np.asarray(frames)
    own, now = retarget.rest_of(rig, skeleton), bpy.context.scene.frame_current
    with retarget.quiet(rig):
        names = [b.name for b in rig.pose.bones]
        everything = dict(zip(names, retarget.evaluate(rig, names, frames, world=False).swapaxes(0, 1)))
        source = np.stack([everything["DEF-" + n] for n in own["names"]], 1)
        source[..., :3, :3] = retarget.pure_rotation(source[..., :3, :3])
        rows = [row for row in mapping["controls"] if row.get("leg") in legs and row["limb"] == to]
        listen(rig, mapping, legs, to)
        key_legs(rig, bag, own, source, everything, rows, frames)
        for row in [row for row in mapping["controls"] if row.get("leg") in legs and row.get("only", to) != to]:
            rest(rig, bag, row["control"])
    bpy.context.scene.frame_set(now)


def key_legs(rig, bag, own, source, everything, rows, frames):
    """What does not hang on the legs' own controls is where it was; those controls follow from it, and from where the bones are to stay."""
    above, mine = retarget.dependencies(rig), {row["control"] for row in rows}
    given = {bone: at for bone, at in everything.items() if bone not in mine and not mine & retarget.ancestors(bone, above)}
    given.update({kind + n: everything[kind + n] for n in own["names"] for kind in ("ORG-", "DEF-") if kind + n in everything})
    wanted = {row["control"]: retarget.wanted_matrix(rig, own, source, row) for row in rows}
    curves = keys.Curves(frames)
    mechanics = Mechanics(rig, given, wanted, *({row["control"] for row in rows if k in row["channels"]} for k in ("rotation", "location")))
    later = retarget.key_rows(curves, rig, own, source, rows, wanted, mechanics)
    curves.write(bag)
    drained(retarget.key_later(curves, bag, rig, own, source, rows, later, wanted))
    drained(retarget.settle(curves, bag, rig, own, source, rows, wanted))
    curves.write(bag)


def listen(rig, mapping, legs, to):
    """Sets the property that says which controls a leg listens to, and takes away keys that it may have."""
    bag = keys.channels(rig)
    for bone, prop, _ in mapping["properties"]:
        if prop == "IK_FK" and ("R" if bone.endswith(".R") else "L") + ("H" if bone.startswith("thigh") else "F") in legs:
            curve = bag.fcurves.find(keys.bone_path(bone, "")[:-1] + f'["{prop}"]')
            if curve:
                bag.fcurves.remove(curve)
            rig.pose.bones[bone][prop] = float(to == "FK")
    rig.update_tag()
    bpy.context.view_layer.update()


def rest(rig, bag, bone):
    """A control that has nothing to say in this mode: no keys, and no pose left over."""
    for index in range(4):
        curve = bag.fcurves.find(keys.bone_path(bone, "rotation_quaternion"), index=index)
        if curve:
            bag.fcurves.remove(curve)
    rig.pose.bones[bone].matrix_basis.identity()


def frame_range(bag):
    first, last = min(c.range()[0] for c in bag.fcurves), max(c.range()[1] for c in bag.fcurves)
    return np.arange(int(np.floor(first)), int(np.ceil(last)) + 1)
