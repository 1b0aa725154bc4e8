# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigify's horse: generated from its metarig, ready to be keyed."""
import contextlib
import io

import bpy

from .files import ClipError


def build_rig(name="rig"):
    """The control rig of Rigify's horse in the current scene; the metarig is removed afterwards."""
    enable_rigify()
    bpy.ops.object.armature_horse_metarig_add()
    metarig = bpy.context.object
    with contextlib.redirect_stdout(io.StringIO()):  # Rigify prints its timing
        bpy.ops.pose.rigify_generate()
    rig = metarig.data.rigify_target_rig or bpy.context.object
    bpy.data.objects.remove(metarig)
    rig.name = name
    rig.data.name = name
    straighten(rig)
    return rig


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


def forbid_stretch(rig):
    """`IK_Stretch` = 0 only limits how far a leg may reach; within reach the solver still trades a per cent of length for angle."""
    for bone in rig.pose.bones:
        bone.ik_stretch = 0.0
