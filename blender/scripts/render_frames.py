# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a scene.blend through its camera, to look at or to show.

    python blender/scripts/render_frames.py out/scene.blend --frames 1 10 20 -o pictures
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy

from kinequimation_blender import child
from kinequimation_blender.scene import open_scene


def main():
    args = arguments()
    open_scene(args.scene)
    scene = bpy.context.scene
    light(scene)
    cheap(scene, args)
    args.output.mkdir(parents=True, exist_ok=True)
    steps = child.Steps(len(args.frames))
    for frame in args.frames:
        scene.frame_set(frame)
        scene.render.filepath = str((args.output / f"{frame:04d}.png").resolve())
        bpy.ops.render.render(write_still=True)
        steps.step("picture")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene", type=Path)
    parser.add_argument("--frames", type=int, nargs="+", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the pictures, named by frame")
    parser.add_argument("--width", type=int, default=480, help="px; the height follows from the scene's")
    parser.add_argument("--samples", type=int, default=12)
    return parser.parse_args()


def light(scene):
    "A sun and a bright sky, for a scene that has no light of its own."
    if any(o.type == "LIGHT" for o in scene.objects): return
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy, sun.data.angle, sun.rotation_euler = 3.0, 0.1, (0.6, 0.2, 0.4)
    scene.collection.objects.link(sun)
    scene.world = scene.world or bpy.data.worlds.new("sky")
    scene.world.color = (0.6, 0.65, 0.7)


def cheap(scene, args):
    "Cycles on the CPU is the one engine that renders without a display."
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", args.samples, True
    scene.render.resolution_y = round(scene.render.resolution_y * args.width / scene.render.resolution_x / 2) * 2
    scene.render.resolution_x, scene.render.resolution_percentage = args.width, 100
    scene.render.image_settings.file_format = "PNG"


if __name__ == "__main__": child.run(main)
