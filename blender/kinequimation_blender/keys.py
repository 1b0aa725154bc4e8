# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves written in bulk: a key at every frame, thousands of times faster than `keyframe_insert`."""
import bpy
import numpy as np

from .maths import quat_to_matrix, rigid

ALIGNED = 3  # BezTriple.h1
LINEAR, BEZIER = 1, 2  # BezTriple.interpolation as a number, for foreach_set


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
        points = _points(bag, path, i, group, len(frames))
        points.foreach_set("co", _pairs(frames, values[:, i]))
        points.foreach_set("interpolation", np.full(len(frames), LINEAR, np.int32))
        bag.fcurves.find(path, index=i).update()


def write_bezier(bag, path, frames, fit, group=""):
    """The keys of a `reduction.Fit` as Bezier curves with handles in line; a curve that is still gets one key. Returns how many keys."""
    count, time = 0, np.asarray(frames, float)[fit.at]
    before, after = np.diff(time, prepend=2 * time[0] - (time[1] if len(time) > 1 else time[0] + 1)) / 3, np.diff(time, append=2 * time[-1] - (time[-2] if len(time) > 1 else time[-1] - 1)) / 3
    for i in range(fit.value.shape[1]):
        still = np.ptp(fit.all[:, i]) < 1e-7
        keep = slice(0, 1) if still else slice(None)
        x, y, slope = time[keep], fit.value[keep, i], 0 if still else fit.slope[:, i]
        points = _points(bag, path, i, group, len(x))
        points.foreach_set("co", _pairs(x, y))
        points.foreach_set("interpolation", np.full(len(x), BEZIER, np.int32))
        for side in ("left", "right"):
            points.foreach_set(f"handle_{side}_type", np.full(len(x), ALIGNED, np.int32))
        points.foreach_set("handle_left", _pairs(x - before[keep], y - slope * before[keep]))
        points.foreach_set("handle_right", _pairs(x + after[keep], y + slope * after[keep]))
        bag.fcurves.find(path, index=i).update()
        count += len(x)
    return count


def _points(bag, path, index, group, n):
    """The curve's keys, n of them, as new."""
    points = (bag.fcurves.find(path, index=index) or _new_curve(bag, path, index, group)).keyframe_points
    points.clear()
    points.add(n)
    return points


def _pairs(x, y):
    return np.stack([x, y], -1).astype(np.float32).ravel()


def channels(obj):
    """What holds the curves of an object's present action, or None."""
    data = obj.animation_data
    if data is None or data.action is None:
        return None
    if not hasattr(data.action, "layers"):  # Blender 4.2, 4.3
        return data.action
    if data.action_slot is None or not data.action.layers or not data.action.layers[0].strips:
        return None
    return data.action.layers[0].strips[0].channelbag(data.action_slot)


class Curves:
    """All curves of an action as arrays, until they are written: path -> values (T,n)."""

    def __init__(self, frames):
        self.frames, self.values, self.groups, self.fitted = np.asarray(frames), {}, {}, {}

    def set(self, bone, channel, values):
        path = bone_path(bone, channel)
        self.values[path], self.groups[path] = np.asarray(values, float).reshape(len(self.frames), -1), bone

    def get(self, bone, channel, width):
        return self.values.get(bone_path(bone, channel), np.zeros((len(self.frames), width)))

    def basis(self, bone):
        """The pose (T,4,4), along the bone's own axes, that the curves of a bone in quaternion mode give."""
        quat = self.values.get(bone_path(bone, "rotation_quaternion"), np.tile([1.0, 0, 0, 0], (len(self.frames), 1)))
        return rigid(quat_to_matrix(quat), self.get(bone, "location", 3))

    def write(self, bag):
        for path, values in self.values.items():
            write(bag, path, self.frames, values, self.groups[path])


def _new_curve(bag, path, index, group):
    if isinstance(bag, bpy.types.Action):  # Blender 4.2, 4.3
        return bag.fcurves.new(path, index=index, action_group=group)
    try:
        return bag.fcurves.new(path, index=index, group_name=group)
    except TypeError:  # Blender 4.4, 4.5 know no group here
        return bag.fcurves.new(path, index=index)


def bone_path(bone, channel):
    return f'pose.bones["{bpy.utils.escape_identifier(bone)}"].{channel}'
