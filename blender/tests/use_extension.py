# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs the extension's zip as a user does, presses its buttons, and prints what came of each as a line of JSON.

    python blender/tests/use_extension.py extension.zip clip.npz folder [python with kinequimation, pose3d.nc, video]
"""
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from types import SimpleNamespace

import bpy

from kinequimation_blender import child


def say(step, **what):
    child.report(step=step, objects=sorted(o.name for o in bpy.data.objects if not o.name.startswith("WGT-")), **what)


def press(step, operator, *args, **settings):
    """One button, with undo as in the window; what it reported where it refused."""
    try:
        result, error = sorted(operator(*args, True, **settings)), None
    except RuntimeError as refused:
        result, error = ["REFUSED"], str(refused).strip().splitlines()[0]
    say(step, result=result, error=error)


def empty():
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)
    bpy.ops.ed.undo_push(message="start")  # without a window Blender keeps no undo until it is asked to


def main():
    package, clip, folder, *outside = sys.argv[1:]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    repo = next(r for r in bpy.context.preferences.extensions.repos if r.module == "user_default")
    if Path(repo.directory).resolve().is_relative_to(Path(os.environ["BLENDER_USER_RESOURCES"]).resolve()):
        bpy.ops.extensions.package_install_files(filepath=package, repo="user_default", enable_on_install=True)
    say("installed", enabled="bl_ext.user_default.kinequimation_blender" in bpy.context.preferences.addons)
    empty()
    animate(clip, Path(folder))
    slice_by_slice(clip)
    another_animal(Path(folder))
    refuse(Path(folder))
    look_for_python(Path(folder))
    if outside:
        in_the_background(*outside, Path(folder))
    bpy.ops.preferences.addon_disable(module="bl_ext.user_default.kinequimation_blender")
    say("switched off", left=hasattr(bpy.types.Scene, "kinequimation"))


def animate(clip, folder):
    options = bpy.context.scene.kinequimation
    press("retarget without a clip", bpy.ops.kinequimation.retarget, "EXEC_DEFAULT")
    press("build", bpy.ops.kinequimation.build, "EXEC_DEFAULT")
    bpy.ops.ed.undo()
    say("build undone")
    bpy.ops.ed.redo()
    options = bpy.context.scene.kinequimation
    options.clip = clip
    say("redone", rig=options.rig.name if options.rig else None, skin="Horse" in bpy.data.objects)
    press("retarget", bpy.ops.kinequimation.retarget, "EXEC_DEFAULT")
    say("keyed", **state())
    bpy.ops.ed.undo()
    say("retarget undone", **state())
    press("legs without keys", bpy.ops.kinequimation.switch_legs, "EXEC_DEFAULT", to="FK")
    bpy.ops.ed.redo()
    hooves = [hoof(frame) for frame in (2, 9)]
    press("legs", bpy.ops.kinequimation.switch_legs, "EXEC_DEFAULT", to="FK")
    say("switched", moved_mm=1000 * max((hoof(frame) - was).length for frame, was in zip((2, 9), hooves)), **curves())
    options = bpy.context.scene.kinequimation
    for format in ("FBX", "GLB", "USD", "BVH", "ABC"):
        options.format, options.target = format, "UNREAL"
        press("export " + format, bpy.ops.kinequimation.export, "EXEC_DEFAULT", filepath=str(folder / ("panel." + format.lower())))
    say("exported", scenes=[s.name for s in bpy.data.scenes], **state())


def state():
    rig = bpy.context.scene.kinequimation.rig
    action = rig and rig.animation_data and rig.animation_data.action
    return dict(action=action.name if action else None, range=[bpy.context.scene.frame_start, bpy.context.scene.frame_end], actions=len(bpy.data.actions))


def hoof(frame):
    bpy.context.scene.frame_set(frame)
    return bpy.context.scene.kinequimation.rig.pose.bones["DEF-f_hoof.L"].head.copy()


def curves():
    """How far the rig gets from its place, and which controls the hind legs listen to."""
    scene, rig = bpy.context.scene, bpy.context.scene.kinequimation.rig
    places = []
    for frame in (scene.frame_start, scene.frame_end):
        scene.frame_set(frame)
        places.append(rig.pose.bones["DEF-spine.003"].head.copy())
    return dict(gone_m=(places[1] - places[0]).length, ik_fk=[rig.pose.bones["thigh_parent." + side]["IK_FK"] for side in "LR"])


def slice_by_slice(clip):
    """Retargeting as the window's timer does it: once given up in the middle, once to the end; and on a horse that is not there yet."""
    from bl_ext.user_default.kinequimation_blender import operators, slices

    options, this = bpy.context.scene.kinequimation, bpy.context.scene
    this.render.fps, options.limbs = 30, "FK"

    class Operator(operators.Background):
        said = ""

        def report(self, kind, text):
            self.said = text

    def ticks(give_up_after):
        operator, n, slowest, result = Operator(), 0, 0.0, {"PASS_THROUGH"}
        skeleton, motion = operators.read_clip(clip)
        operator.job = operators.RUNNING["job"] = slices.Work(operators.put_on(bpy.context, options, skeleton, motion, "sliced"), "Retargeting")
        operator.timer = bpy.context.window_manager.event_timer_add(0.05, window=bpy.context.window)
        busy = not bpy.ops.kinequimation.build.poll()
        while result == {"PASS_THROUGH"}:
            key = "ESC" if n == give_up_after else "TIMER"
            start = time.process_time()
            result = operator.modal(bpy.context, SimpleNamespace(type=key))
            n, slowest = n + 1, max(slowest, time.process_time() - start)
        return dict(ticks=n, slowest=slowest, result=sorted(result), said=operator.said, busy=busy, free=bpy.ops.kinequimation.build.poll())

    for name, rig in (("on the rig", options.rig), ("without a rig", None)):
        options.rig, before = rig, fingerprint(rig)
        say("given up " + name, **ticks(4), changed=changed(before, fingerprint(rig)), rig_kept=options.rig == rig)
        say("sliced " + name, **ticks(-1), **state())
        again = ticks(2)
        say("given up again " + name, **again, **state())
    bpy.data.objects.remove(options.rig)
    options.rig, options.limbs = bpy.data.objects["rig"], "IK"
    options.via = "ROKOKO"
    before = fingerprint(options.rig)
    press("rokoko", bpy.ops.kinequimation.retarget, "EXEC_DEFAULT")
    options.via = "OWN"
    say("rokoko left", changed=changed(before, fingerprint(options.rig)))


def fingerprint(rig):
    """What a retargeting changes, to be compared."""
    this = bpy.context.scene
    bones = {b.name: (b.rotation_mode, *b.lock_rotation, b.ik_stretch, *(x for row in b.matrix_basis for x in row), *(c.mute for c in b.constraints), b.get("IK_FK"), b.get("IK_Stretch"))
             for b in rig.pose.bones} if rig else {}
    action = rig and rig.animation_data and rig.animation_data.action
    return dict(objects=sorted(o.name for o in bpy.data.objects), actions=sorted(a.name for a in bpy.data.actions), meshes=len(bpy.data.meshes), armatures=len(bpy.data.armatures),
                collections=len(bpy.data.collections), action=action and action.name, fps=this.render.fps, start=this.frame_start, end=this.frame_end, now=this.frame_current,
                markers=[(m.name, m.frame) for m in this.timeline_markers]) | bones


def changed(before, now):
    """What of two fingerprints is not the same."""
    near = lambda a, b: a == b or isinstance(a, float) and isinstance(b, float) and abs(a - b) < 1e-5  # a pose is put back through a matrix
    same = lambda a, b: len(a) == len(b) and all(map(near, a, b)) if isinstance(a, tuple) and isinstance(b, tuple) else a == b
    return [f"{key}: {before.get(key)} -> {now.get(key)}" for key in before | now if not same(before.get(key), now.get(key))]


def another_animal(folder):
    """A mapping is proposed, saved, loaded, spoiled; and the clip goes onto a four-legged armature that Rigify did not make."""
    options = bpy.context.scene.kinequimation
    press("no animal", bpy.ops.kinequimation.propose, "EXEC_DEFAULT")
    bpy.ops.preferences.addon_enable(module="rigify")
    bpy.ops.object.armature_horse_metarig_add()  # unlike what Rigify makes of it, bones without controls
    options.animal = animal = bpy.context.object
    press("no mapping", bpy.ops.kinequimation.retarget_any, "EXEC_DEFAULT")
    press("propose", bpy.ops.kinequimation.propose, "EXEC_DEFAULT")
    press("save", bpy.ops.kinequimation.save_mapping, "EXEC_DEFAULT", filepath=str(folder / "animal.json"))
    options.animal_mapping = None
    press("load", bpy.ops.kinequimation.load_mapping, "EXEC_DEFAULT", filepath=str(folder / "animal.json"))
    press("load nonsense", bpy.ops.kinequimation.load_mapping, "EXEC_DEFAULT", filepath=str(folder / "text.nc"))
    press("animal", bpy.ops.kinequimation.retarget_any, "EXEC_DEFAULT")
    action = animal.animation_data.action
    say("animal moves", action=action.name, range=list(action.frame_range))
    options.animal_mapping.from_string(options.animal_mapping.as_string().replace('"from": "head"', '"from": "horn"'))
    press("animal spoiled", bpy.ops.kinequimation.retarget_any, "EXEC_DEFAULT")
    bpy.data.objects.remove(animal)


def refuse(folder):
    """Each of these leaves the scene as it was, and says what is wrong."""
    options = bpy.context.scene.kinequimation

    def refused(step, operator=bpy.ops.kinequimation.retarget, rig=None, **settings):
        before = fingerprint(rig or options.rig)
        press(step, operator, "EXEC_DEFAULT", **settings)
        say("kept " + step, changed=changed(before, fingerprint(rig or options.rig)))

    for name in ("text.npz", "nothing.npz", "pickled.npz", "other.npz", "empty.npz", "long.npz"):
        options.clip = str(folder / name)
        refused("clip " + name)
    options.clip = str(folder / "good.npz")
    options.first, options.last = 5, 3
    refused("frames")
    options.first, options.last = 1, 0
    bpy.ops.object.armature_add()
    options.rig = bpy.context.object
    refused("not rigify")
    refused("export not rigify", bpy.ops.kinequimation.export, filepath=str(folder / "no.fbx"))
    options.rig.hide_set(True)
    refused("hidden")
    bpy.data.objects.remove(options.rig)
    linked(options, folder, refused)
    options.rig.data.pose_position = "REST"
    refused("locked")
    options.rig.data.pose_position = "POSE"
    for kind, bone in (("bone", "DEF-head"), ("control", "torso")):
        options.rig.data.bones[bone].name = bone + "_old"
        refused("lacks a " + kind)
        options.rig.data.bones[bone + "_old"].name = bone
    options.mapping = "FILE"
    options.mapping_file = str(folder / "mapping.json")
    refused("mapping")


def linked(options, folder, refused):
    library = folder / "library.blend"
    bpy.data.libraries.write(str(library), {bpy.data.objects["rig"]})
    with bpy.data.libraries.load(str(library), link=True) as (there, here):
        here.objects = ["rig"]
    bpy.context.scene.collection.objects.link(here.objects[0])
    options.rig = here.objects[0]
    refused("linked")
    bpy.data.objects.remove(here.objects[0])
    options.rig = bpy.data.objects["rig"]


def look_for_python(folder):
    """The magnifier in the preferences: with no `kinequimation` on the PATH, and with one that has its Python beside it."""
    preferences, kept = bpy.context.preferences.addons["bl_ext.user_default.kinequimation_blender"].preferences, os.environ["PATH"]
    there = folder / "environment" / "bin"
    there.mkdir(parents=True)
    for name in ("kinequimation", "python3"):
        (there / name).write_text("#!/bin/sh\n")
        (there / name).chmod(0o755)
    for step, path in (("no python", folder), ("python", there)):
        os.environ["PATH"] = str(path)
        press(step, bpy.ops.kinequimation.find_python, "EXEC_DEFAULT")
    os.environ["PATH"] = kept
    say("preferences", python=preferences.python)


def in_the_background(python, poses, folder):
    options = bpy.context.scene.kinequimation
    options.mapping, options.rig = "horse.json", None
    preferences = bpy.context.preferences.addons["bl_ext.user_default.kinequimation_blender"].preferences
    preferences.python = str(folder / "no_python")
    press("wrong python", bpy.ops.import_anim.kinequimation_clip, "EXEC_DEFAULT", filepath=poses)
    preferences.python = python
    press("not poses", bpy.ops.import_anim.kinequimation_clip, "EXEC_DEFAULT", filepath=str(folder / "text.nc"))
    press("poses", bpy.ops.import_anim.kinequimation_clip, "EXEC_DEFAULT", filepath=poses)
    options.loop, options.limbs, options.root_motion = True, "FK", "IN_PLACE"
    press("loop", bpy.ops.kinequimation.retarget, "EXEC_DEFAULT")
    say("looped", **curves(), **state())
    options.loop, options.limbs, options.root_motion = False, "IK", "PATH"
    options.video = str(folder / "text.mp4")
    press("not a video", bpy.ops.kinequimation.animate, "EXEC_DEFAULT")
    say("modal", **modal(python, poses))


def modal(python, poses):
    """The timer's operator, tick by tick as the window's events call it: it never waits, and takes what came at the end."""
    from bl_ext.user_default.kinequimation_blender import jobs, operators

    class Operator(operators.Background):
        used = False

        def use(self, context):
            self.used = True
            return {"FINISHED"}

    operator, ticks, slowest, result = Operator(), 0, 0.0, {"PASS_THROUGH"}
    operator.job = operators.RUNNING["job"] = jobs.Job(python, "retarget", poses, "-o", poses + ".npz")
    operator.timer = bpy.context.window_manager.event_timer_add(0.2, window=bpy.context.window)
    busy = [bpy.ops.kinequimation.animate.poll(), bpy.ops.kinequimation.cancel.poll()]
    while result == {"PASS_THROUGH"} and ticks < 3000:
        start = time.perf_counter()
        result = operator.modal(bpy.context, SimpleNamespace(type="TIMER"))
        ticks, slowest = ticks + 1, max(slowest, time.perf_counter() - start)
        time.sleep(0.02)
    return dict(ticks=ticks, slowest=slowest, result=sorted(result), used=operator.used, busy=busy, free=bpy.ops.kinequimation.animate.poll())


child.run(main)
