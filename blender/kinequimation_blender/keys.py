# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves written in bulk: a key at every frame, thousands of times faster than `keyframe_insert`."""
import bpy
import numpy as np

from .maths import quat_to_matrix, rigid

LINEAR = 1  # BezTriple.interpolation as a number, for foreach_set


def new_action(obj, name):
    """An action of its own for `obj`, in place of the one it had; returned is what holds its curves."""
    data = obj.animation_data or obj.animation_data_create()
    action = bpy.data.actions.new(name)
    action.use_fake_user = True
    data.action = action
    if not hasattr(action, "layers"):  # Blender 4.2, 4.3
        return action
    slot = action.slots.new(id_type="OBJECT", name=obj.name)
    data.action_slot = slot
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True)


def write(bag, path, frames, values, group=""):
    """Values (T,n) as n curves of `path`, one linear key a frame; curves already there are replaced."""
    values = np.asarray(values, np.float32).reshape(len(frames), -1)
    for i in range(values.shape[1]):
        curve = bag.fcurves.find(path, index=i) or _new_curve(bag, path, i, group)
        curve.keyframe_points.clear()
        curve.keyframe_points.add(len(frames))
        curve.keyframe_points.foreach_set("co", np.stack([frames, values[:, i]], -1).astype(np.float32).ravel())
        curve.keyframe_points.foreach_set("interpolation", np.full(len(frames), LINEAR, np.int32))
        curve.update()


def read(bag, path, index, frames):
    """Values (T,) of one curve at its keys, which `write` put at every frame; 0 where there is no curve."""
    curve = bag.fcurves.find(path, index=index)
    if curve is None:
        return np.zeros(len(frames))
    points = np.empty(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get("co", points)
    return points[1::2].astype(float)


def basis(bag, bone, frames):
    """The pose basis (T,4,4) that the curves of a bone in quaternion mode give."""
    quat = np.stack([read(bag, bone_path(bone, "rotation_quaternion"), i, frames) for i in range(4)], -1)
    location = np.stack([read(bag, bone_path(bone, "location"), i, frames) for i in range(3)], -1)
    return rigid(quat_to_matrix(quat), location)


def _new_curve(bag, path, index, group):
    if isinstance(bag, bpy.types.Action):  # Blender 4.2, 4.3
        return bag.fcurves.new(path, index=index, action_group=group)
    try:
        return bag.fcurves.new(path, index=index, group_name=group)
    except TypeError:  # Blender 4.4, 4.5 know no group here
        return bag.fcurves.new(path, index=index)


def bone_path(bone, channel):
    return f'pose.bones["{bpy.utils.escape_identifier(bone)}"].{channel}'
