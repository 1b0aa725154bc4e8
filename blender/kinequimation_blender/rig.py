# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigify's horse: generated from its metarig, ready to be keyed."""
import contextlib
import io

import bpy
import numpy as np

from .files import ClipError


def build_rig(name="rig", proportions=None):
    """The control rig of Rigify's horse in the current scene; the metarig is removed afterwards.

    `proportions`: the skeleton of another horse (as `read_skeleton` gives it), which the rig is generated for.
    """
    enable_rigify()
    bpy.ops.object.armature_horse_metarig_add()
    metarig = bpy.context.object
    if proportions:
        reshape(metarig, proportions)
    with contextlib.redirect_stdout(io.StringIO()):  # Rigify prints its timing
        bpy.ops.pose.rigify_generate()
    rig = metarig.data.rigify_target_rig or bpy.context.object
    bpy.data.objects.remove(metarig)
    rig.name = name
    rig.data.name = name
    straighten(rig)
    return rig


def reshape(metarig, skeleton):
    """Moves the metarig's bones to those of a skeleton; the two that it doesn't have (hip and abdomen) go along with their parents."""
    at, bpy.context.view_layer.objects.active = {n: i for i, n in enumerate(skeleton["names"])}, metarig
    was = {b.name: (np.array(b.head_local), np.array(b.tail_local)) for b in metarig.data.bones}
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in metarig.data.edit_bones:  # parents first: a connected bone's head is its parent's tail
        if bone.name in at:
            last = next((n for n in (bone.name + ".001",) if n in at and n not in was), bone.name)  # legs deform in two halves
            bone.head, bone.tail = skeleton["head"][at[bone.name]], skeleton["tail"][at[last]]
            bone.align_roll(skeleton["matrix_local"][at[bone.name], :3, 2])
        else:
            above, (head, tail) = bone.parent, was[bone.parent.name]
            larger = above.length / np.linalg.norm(tail - head)
            bone.head, bone.tail = (np.array(above.head) + larger * (end - head) for end in was[bone.name])
    bpy.ops.object.mode_set(mode="OBJECT")


def straighten(rig):
    """At rest the first two bones of the spine lie half a turn about their length apart, where bendy bones don't know which way to twist: in some frames the croup's skin jumped by .7 m."""
    for name in ("DEF-spine.001", "DEF-spine.002"):
        rig.data.bones[name].bbone_segments = 1


def enable_rigify():
    if "rigify" not in bpy.context.preferences.addons:
        # addon_utils.enable half-registers Rigify; the operator does it whole
        bpy.ops.preferences.addon_enable(module="rigify")


def set_properties(rig, properties):
    """Custom properties of control bones, such as `IK_FK`; `properties` is a list of [bone, property, value]."""
    for bone, prop, value in properties:
        if bone not in rig.pose.bones or prop not in rig.pose.bones[bone]:
            raise ClipError(f"Expected the rig {rig.name} to have {prop} on the bone {bone}, but it hasn't. Is it Rigify's horse?")
        rig.pose.bones[bone][prop] = value


def set_stretch(rig, properties):
    """Legs keep their length, unless a mapping asks for `IK_Stretch`: then they stretch as far as in a rig that Rigify has just made.

    `IK_Stretch` = 0 alone only limits how far a leg may reach; within reach the solver still trades a per cent of length for angle.
    """
    asked = any(prop == "IK_Stretch" and value for _, prop, value in properties)
    for bone in rig.pose.bones:
        bone.ik_stretch = 0.0
    for end in rig.pose.bones if asked else ():
        for constraint in [c for c in end.constraints if c.type == "IK"]:
            for bone in [end, *end.parent_recursive][:constraint.chain_count or None]:
                bone.ik_stretch = 0.1
