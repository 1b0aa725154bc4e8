# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion clip onto Rigify's horse: scene.blend, motion.bvh, motion.fbx and motion.glb.

    python blender/scripts/apply_clip.py clip.npz --skeleton horse.json -o out [--video clip.mp4] [--reduce 3 1] [--loop] [--limbs FK] [--in-place]
"""
import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy

from kinequimation_blender import child, export, files, loops, maths, ml_rig, motion, options, retarget, rig, rokoko, scene
from synth import coat
from synth import horse as horse_builder

FILES = ("scene.blend", "motion.bvh", "motion.fbx", "motion.glb")


def main():
    args = arguments()
    skeleton, mapping = files.read_skeleton(args.skeleton), retarget.read_mapping(args.mapping)
    clip = files.part(files.read_clip(args.clip, skeleton), args.frames, args.clip)
    if args.via == "rokoko":
        rokoko.require()
    if args.loop:
        clip = loops.cut(clip, skeleton, mapping)
    horse_mesh = None if args.no_mesh else horse_builder.load_horse(skeleton, args.cache or Path(tempfile.gettempdir()) / "kinequimation")  # empties the scene
    frames, steps = scene.new_scene(clip["meta"]["fps"], len(clip["rotation"])), child.Steps(3 + len(FILES))
    horse, name = rig.build_rig(), args.name or args.clip.stem
    bpy.context.scene.name = name  # what exports call their animation
    steps.step("rig")
    source = retarget.retarget(horse, skeleton, clip, mapping, frames, name, lambda i, n: (steps.more(0 if i else n + 1), steps.step("keys")),
                               limbs=args.limbs, in_place=args.in_place, reduce=args.reduce)
    own = retarget.rest_of(horse, skeleton)
    if args.loop:
        loops.cycle(horse, [mapping["root"]["control"]])
    if own is not skeleton or args.in_place:
        clip = dict(clip, **dict(zip(("rotation", "root_location"), maths.unposed(own, source))))
    bare = ml_rig.build_ml_rig(own)
    ml_rig.pose_ml_rig(bare, own, clip, frames, name + "_ML")
    if args.via == "rokoko":
        rokoko.retarget(bare, horse, own, mapping, frames, name)
    steps.step("skeleton")
    meshes = [] if args.no_mesh else [add_horse(horse_mesh, horse, skeleton, own)]
    dress(clip, own, frames, source, horse, bare, args)
    steps.step("horse")
    baked = motion.of_source(own, source, clip["meta"]["fps"])
    write(args.output, args.final_dir or args.output, {"scene.blend": scene.save, **{
        name_of: lambda path: export.write(path, bare, own, meshes=meshes, frames=frames, name=name, motion=baked) for name_of in FILES[1:]}}, steps)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--skeleton", type=Path, required=True, help="the skeleton file (JSON) that the clip is for")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for what is written")
    parser.add_argument("--video", type=Path, help="the video, shown behind the camera's view")
    parser.add_argument("--final-dir", type=Path, help="where the files will be moved to: the video's path is relative to it")
    parser.add_argument("--via", choices=("own", "rokoko"), default="own", help="retarget by the Rokoko add-on, where it is installed")
    parser.add_argument("--cache", type=Path, help="where the horse's mesh is kept between runs")
    parser.add_argument("--no-mesh", action="store_true", help="the rig alone")
    options.of_clip(parser)
    options.of_controls(parser)
    options.of_keys(parser)
    return parser.parse_args()


def add_horse(numbers, armature, skeleton, own):
    """The skinned horse on the rig: a chestnut, always the same."""
    look = {"seed": 3, "coat": "chestnut", "markings": {"face": "blaze", "legs": [.3, 0, .3, 0]}}
    mesh = horse_builder.mesh_object(numbers, horse_builder.shaped(numbers, skeleton, own, look), coat.coat_colours(numbers, look))
    horse_builder.add_vertex_groups(mesh, numbers, skeleton)
    scene.paint(mesh, "coat")
    scene.bind(mesh, armature).use_deform_preserve_volume = True  # the joints of a file that is opened in Blender do not pinch either
    return mesh


def dress(clip, skeleton, frames, source, horse, bare, args):
    around = source[..., :3, 3].reshape(-1, 3)
    path, _ = retarget.ground_path(skeleton, source, retarget.read_mapping(args.mapping)["root"], clip["meta"]["fps"])
    camera = scene.add_camera(clip, frames, path)
    if args.video:
        scene.add_background(camera, args.video, args.final_dir or args.output, frames)
    scene.add_floor(around, behind_video=bool(args.video))
    scene.add_light()
    if "contacts" in clip:
        scene.add_markers(clip["contacts"], frames)
    scene.show(horse, bare)


def write(folder, final, writers, steps):
    """All files or none: each under a temporary name until the last one is there."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        partial = {name: stack.enter_context(files.atomic_path(folder / name)) for name in FILES}
        for name in FILES:
            try:
                writers[name](partial[name])
                if not partial[name].exists() or partial[name].stat().st_size == 0:
                    raise OSError("nothing was written")
            except (OSError, RuntimeError) as error:  # Blender's operators make RuntimeErrors of everything
                raise files.ClipError(f"Could not write {final / name}: {child.one_line(error).rpartition('Error: ')[2]}. Is there room on the disk?") from error
            steps.step(name)


child.run(main)
