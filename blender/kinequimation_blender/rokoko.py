# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting by the add-on Rokoko Studio Live, for those who have it: source, target and bone list set, run, its result kept.

Known of version 1.4.2: it copies rotations and one location, so it keys FK controls only, and what is shifted as well (the neck, and the head with it) comes out
centimetres off. It bakes what it sees: a control that copies another's turn (tail, tips of the ears, jaw) would get that turn into its keys, and by its constraint
once more, which threw the tail's end half a metre away; so these constraints are muted first, and stay so. It does not run in Blender 5
(actions have no curves of their own there); and it writes bone lists into its own folder, after which a later run may die with
`KeyError: custom_bone_...`. The list is filled here, and its saving left out.
"""
import contextlib
import importlib
import shutil
import sys
import tempfile
from pathlib import Path

import bpy

from . import retarget as own_way
from .files import ClipError

HELPER = "KE-first"
OPERATOR = "RSL_OT_retarget_animation"


def require(addon=None):
    """The add-on is there and runs in this Blender; or an error that says what to do. `addon`: its folder, where it isn't installed."""
    if bpy.app.version >= (5, 0, 0):
        raise ClipError(f"Expected Blender 4.2 to 4.5 for the Rokoko add-on, but this is {bpy.app.version_string}, in which it fails ('Action' has no 'fcurves'). "
                        "Use Blender 4.5, or leave --via out: our own retargeter needs no add-on.")
    if not hasattr(bpy.types, OPERATOR) and addon:
        load(Path(addon))
    if not hasattr(bpy.types, OPERATOR):
        raise ClipError("Expected the add-on Rokoko Studio Live, but it is not installed here. Get it from https://github.com/Rokoko/rokoko-studio-live-blender "
                        "and name its folder with --addon, or leave --via out: our own retargeter needs no add-on.")


def load(folder):
    """Registers the add-on from a copy of its folder: what it saves there is gone afterwards."""
    if not (folder / "__init__.py").is_file():
        raise ClipError(f"Expected the folder of the Rokoko add-on, but there is no __init__.py in {folder}.")
    home = Path(tempfile.mkdtemp(prefix="rokoko-"))
    shutil.copytree(folder, home / "rokoko_studio_live", ignore=shutil.ignore_patterns("custom_bones", ".git"))
    sys.path.insert(0, str(home))
    try:
        importlib.import_module("rokoko_studio_live").register()
    except Exception as error:  # whatever somebody else's add-on may raise
        raise ClipError(f"Expected the Rokoko add-on in {folder} to start, but it does not: {error}.") from None


def retarget(source, rig, skeleton, mapping, frames, name):
    """Retargets the action of `source` (ML_rig) to the FK controls of `rig`; returns the action's new name."""
    require()
    own_way.check(rig, skeleton, mapping)
    rows = [row for row in mapping["controls"] if "rotation" in row["channels"] and row.get("limb") != "IK"]
    own_way.set_limbs(rig, mapping, "FK")
    for row in rows:
        bone = rig.pose.bones[row["control"]]
        bone.rotation_mode, bone.lock_rotation = "QUATERNION", (False, False, False)
    scene, hidden = bpy.context.scene, source.hide_get()
    source.hide_set(False)
    scene.frame_set(int(frames[0]))
    scene.rsl_retargeting_armature_source, scene.rsl_retargeting_armature_target = source, rig
    scene.rsl_retargeting_auto_scaling, scene.rsl_retargeting_use_pose = False, "REST"
    add_helper(source, rig, rows[0])
    fill(scene.rsl_retargeting_bone_list, rows)
    manager = sys.modules[getattr(bpy.types, OPERATOR).__module__.rpartition(".operators.")[0] + ".core.custom_schemes_manager"]
    kept, manager.save_retargeting_to_list = manager.save_retargeting_to_list, lambda: None
    copies = [c for row in rows for c in rig.pose.bones[row["control"]].constraints if c.type == "COPY_ROTATION" and not c.mute]
    set_mute(copies, True)
    try:
        bpy.ops.rsl.retarget_animation()
    except (RuntimeError, KeyError, AttributeError) as error:
        set_mute(copies, False)
        raise ClipError(f"The Rokoko add-on could not retarget: {str(error).strip().splitlines()[-1]}") from None
    finally:
        manager.save_retargeting_to_list = kept
        remove_helper(source)
        source.hide_set(hidden)
    rig.animation_data.action.name = name
    scene.frame_set(int(frames[0]))
    return rig.animation_data.action.name


def set_mute(constraints, mute):
    for constraint in constraints:
        constraint.mute = mute


def fill(bone_list, rows):
    bone_list.clear()
    for row in rows:
        item = bone_list.add()
        item.bone_name_source, item.bone_name_target, item.bone_name_key = HELPER if row is rows[0] else "DEF-" + row["bone"], row["control"], row["control"]


def add_helper(source, rig, row):
    """The add-on copies the place of a bone's head as it is: so the first control gets a bone of the source that is where it should be."""
    rest = rig.data.bones[row["control"]]
    with editing(source) as bones:
        bone = bones.new(HELPER)
        bone.head, bone.tail = rest.head_local, rest.tail_local
        bone.matrix = rest.matrix_local
        bone.parent = bones["DEF-" + row["bone"]]


def remove_helper(source):
    with editing(source) as bones:
        bones.remove(bones[HELPER])


@contextlib.contextmanager
def editing(armature):
    if bpy.context.object and bpy.context.object.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        yield armature.data.edit_bones
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
