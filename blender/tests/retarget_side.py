# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender's Python for test_retarget.py: one rig, several questions, the answers as JSON.

    python retarget_side.py clip.npz horse.json out.json
"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy
import numpy as np

from kinequimation_blender import child, files, keys, limbs, loops, mapping_of, ml_rig, proportions, retarget, rig, rokoko, scene


def main():
    path, skeleton_path, out = sys.argv[1:4]
    skeleton, mapping = files.read_skeleton(skeleton_path), retarget.read_mapping()
    clip = files.read_clip(path, skeleton)
    frames = scene.new_scene(clip["meta"]["fps"], len(clip["rotation"]))
    horse, names = rig.build_rig(), ["DEF-" + n for n in skeleton["names"]]
    look = lambda: retarget.evaluate(horse, names, frames, world=False)
    refused = refusals(horse, skeleton, clip, mapping, frames)
    source = retarget.retarget(horse, skeleton, clip, mapping, frames, "IK")
    first = look()
    answers = {"refused": refused, "mapping": mapping_of.mapping(horse) == mapping, "switch": switching(horse, skeleton, mapping, look),
               "edit": {"IK": editing(horse, skeleton, mapping, frames)}, "range": [bpy.context.scene.frame_start, bpy.context.scene.frame_end, bpy.context.scene.frame_current]}
    retarget.retarget(horse, skeleton, clip, mapping, frames, "FK", limbs="FK")
    answers["fk_mm"] = apart(look(), first).max()
    answers["edit"]["FK"] = editing(horse, skeleton, mapping, frames)
    answers["edit_few"] = editing_few_keys(horse, skeleton, clip, mapping, frames)
    place = retarget.retarget(horse, skeleton, clip, mapping, frames, "in place", in_place=True)
    answers["in_place"] = {"root_moves_mm": 1000 * np.ptp(retarget.evaluate(horse, ["root"], frames)[:, 0, :3, 3], 0).max(), "mm": apart(look(), place).max(),
                           "goes_m": np.ptp(place[:, 0, 1, 3])}
    answers["loop"] = looping(horse, skeleton, clip, mapping)
    answers["moved_mm"] = elsewhere(horse, skeleton, clip, mapping, frames, source, names)
    answers["stretch"] = stretching(skeleton, clip, mapping, frames[:3])
    Path(out).write_text(json.dumps(answers, default=float))


def apart(a, b):
    return 1000 * np.linalg.norm(a[..., :3, 3] - b[..., :3, 3], axis=-1)


def switching(horse, skeleton, mapping, look):
    """All legs to FK and back; then half of them, reduced curves and all."""
    before, out = look(), {}
    for to in ("FK", "IK"):
        limbs.switch(horse, skeleton, mapping, limbs.LEGS, to)
        after = look()
        out[to] = {"mm": apart(after, before).max(), "degrees": retarget.angles(retarget.rigid(retarget.pure_rotation(after[..., :3, :3]), after[..., :3, 3]), retarget.rigid(retarget.pure_rotation(before[..., :3, :3]), before[..., :3, 3])).max(),
                   "property": [horse.pose.bones[b]["IK_FK"] for b in ("thigh_parent.L", "upper_arm_parent.R")]}
    return out


def editing(horse, skeleton, mapping, frames):
    """One key of one channel moved, of every control in turn: which frames and which bones follow, and whether some do that do not hang on it."""
    some, at, names, out = frames[8:13], 10, ["DEF-" + n for n in skeleton["names"]], {}
    look = lambda: retarget.evaluate(horse, names, some, world=False)
    before, bag, above = look(), keys.channels(horse), retarget.dependencies(horse)
    for control in [row["control"] for row in (mapping["root"], *mapping["controls"])]:
        hang = {n for n in skeleton["names"] if control in retarget.ancestors("DEF-" + n, above)}
        for channel, index, by in (("location", 1, 0.05), ("rotation_quaternion", 1, 0.2), ("rotation_quaternion", 3, 0.2), ("rotation_euler", 1, 0.2)):
            curve = bag.fcurves.find(keys.bone_path(control, channel), index=index)
            if curve is None:
                continue
            after = edited(curve, at, by, look)
            moved = (apart(after, before) > 0.05) | (retarget.angles(after, before) > 0.01)
            bones = {n for n, any_moved in zip(skeleton["names"], moved.any(0)) if any_moved}
            out[f"{control} {channel} {index}"] = {"frames": (some[moved.any(1)] - frames[at]).tolist(), "bones": sorted(bones), "others": sorted(bones - hang),
                                                   "mm": np.ptp(apart(after, before)[some == frames[at]]), "only_in": next((r.get("limb") for r in mapping["controls"] if r["control"] == control), None)}
    return out


def edited(curve, key, by, look):
    curve.keyframe_points[key].co[1] += by
    curve.update()
    after = look()
    curve.keyframe_points[key].co[1] -= by
    curve.update()
    return after


def editing_few_keys(horse, skeleton, clip, mapping, frames):
    """The same where keys are few: a key moved with its handles takes along what is between its neighbours, and nothing else."""
    retarget.retarget(horse, skeleton, clip, mapping, frames, "few", reduce=(3, 1))
    curve = keys.channels(horse).fcurves.find(keys.bone_path("forefoot_ik.L", "location"), index=1)
    look = lambda: retarget.evaluate(horse, ["DEF-" + n for n in skeleton["names"]], frames, world=False)
    before, n = look(), len(curve.keyframe_points) // 2
    point = curve.keyframe_points[n]
    for part in (point.co, point.handle_left, point.handle_right):
        part[1] += 0.05
    curve.update()
    moved = apart(look(), before)
    reach = [int(curve.keyframe_points[k].co[0]) for k in (n - 1, n + 1)]
    return {"frames": frames[moved.max(1) > 0.01].tolist(), "between": reach, "bones": [b for b, far in zip(skeleton["names"], moved.max(0)) if far > 0.1],
            "interpolation": sorted({p.interpolation for c in keys.channels(horse).fcurves for p in c.keyframe_points})}


def looping(horse, skeleton, clip, mapping):
    """The stride on the rig, and the round after it."""
    loop = loops.cut(clip, skeleton)
    n = len(loop["rotation"]) - 1
    frames = scene.set_range(clip["meta"]["fps"], n + 1, 1)
    source = retarget.retarget(horse, skeleton, loop, mapping, frames, "loop", reduce=(3, 1))
    loops.cycle(horse, [mapping["root"]["control"]])
    step = source[-1, 0, :3, 3] - source[0, 0, :3, 3]
    two = retarget.evaluate(horse, ["DEF-" + b for b in skeleton["names"]], np.arange(1, 2 * n + 2), world=False)
    second = two[n:].copy()
    second[..., :3, 3] -= step
    tip, planted = proportions.tips(skeleton, source), loop["contacts"][1:] & loop["contacts"][:-1]
    return {"frames": n, "closes_mm": apart(source[-1:] - np.pad(step[:, None], ((0, 1), (3, 0))), source[:1]).max(), "second_round_mm": apart(second, two[:n + 1]).max(),
            "step_m": step.tolist(), "slide_mm": 1000 * np.linalg.norm(np.diff(tip, axis=0), axis=-1)[planted].max(initial=0)}


def elsewhere(horse, skeleton, clip, mapping, frames, source, names):
    """A rig that stands somewhere else, turned and larger: the motion goes with it."""
    horse.location, horse.rotation_euler, horse.scale = (3, 2, 1), (0, 0, 1), (2, 2, 2)
    retarget.retarget(horse, skeleton, clip, mapping, frames, "elsewhere")
    return apart(retarget.evaluate(horse, names, frames, world=False), source).max()


def stretching(skeleton, clip, mapping, frames):
    """How far legs may stretch: by the mapping that comes with us, by one that asks for it, and by ours again."""
    horse, out = rig.build_rig("stretching"), []
    asks = dict(mapping, properties=[[bone, prop, 1.0 if prop == "IK_Stretch" else value] for bone, prop, value in mapping["properties"]])
    short = {k: v if k == "meta" else v[:len(frames)] for k, v in clip.items()}
    for used in (mapping, asks, mapping):
        retarget.retarget(horse, skeleton, short, used, frames, "stretch")
        out.append([max(b.ik_stretch for b in horse.pose.bones), horse.pose.bones["thigh_parent.L"]["IK_Stretch"]])
    return out


def refusals(horse, skeleton, clip, mapping, frames):
    """What is said of rigs that can't be keyed; and whether anything was changed by trying."""
    said, bare = {}, ml_rig.build_ml_rig(skeleton)

    def attempt(name, obj, mapping=mapping, undo=lambda: None):
        before = state()
        try:
            retarget.retarget(obj, skeleton, clip, mapping, frames, "never")
            said[name] = "nothing"
        except files.ClipError as error:
            said[name] = str(error) + ("" if state() == before else " BUT THE SCENE CHANGED")
        undo()

    attempt("not rigify", bare)
    attempt("nothing", None)
    horse.data.pose_position = "REST"
    attempt("rest", horse, undo=lambda: setattr(horse.data, "pose_position", "POSE"))
    horse.hide_viewport = True
    attempt("hidden", horse, undo=lambda: setattr(horse, "hide_viewport", False))
    horse.pose.bones["torso"].name = "torsi"
    attempt("lacks a control", horse, undo=lambda: setattr(horse.pose.bones["torsi"], "name", "torso"))
    horse.data.bones["DEF-head"].name = "DEF-skulls"
    attempt("lacks a bone", horse, undo=lambda: setattr(horse.data.bones["DEF-skulls"], "name", "DEF-head"))
    attempt("lacks a property", horse, dict(mapping, properties=[["torso", "IK_FK", 0.0]]))
    attempt("linked", linked())
    try:
        rokoko.require()
    except files.ClipError as error:
        said["rokoko"] = str(error)
    bpy.data.objects.remove(bare)
    return said


def linked():
    """A rig that lives in another file."""
    folder = Path(bpy.app.tempdir)
    bpy.data.libraries.write(str(folder / "other.blend"), {bpy.data.objects["rig"]}, fake_user=True)
    with bpy.data.libraries.load(str(folder / "other.blend"), link=True) as (there, here):
        here.objects = ["rig"]
    bpy.context.scene.collection.objects.link(here.objects[0])
    return here.objects[0]


def state():
    return sorted(a.name for a in bpy.data.actions), sorted((o.name, o.animation_data.action.name if o.animation_data and o.animation_data.action else "") for o in bpy.data.objects), bpy.context.scene.frame_current


child.run(main)
