# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension as a zip, built and validated by Blender's own tool: the add-on, the skeleton file and the horse's skin.

    python blender/scripts/build_extension.py --skeleton horse.json -o dist
"""
import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BLENDER = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BLENDER))

import bpy
import numpy as np

from kinequimation_blender import child, files
from synth import coat
from synth import horse as horse_builder

LOOK = {"seed": 3, "coat": "chestnut", "markings": {"face": "blaze", "legs": [.3, 0, .3, 0]}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skeleton", type=Path, required=True, help="the skeleton file (JSON), put into the zip as horse.json")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the zip")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "kinequimation", help="where the horse's mesh is kept between runs")
    parser.add_argument("--no-skin", action="store_true", help="the rig alone, without the horse's body")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kinequimation-") as work:
        source = Path(work) / "kinequimation_blender"
        shutil.copytree(BLENDER / "kinequimation_blender", source, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "skin.npz"))
        shutil.copy(BLENDER / "LICENSE", source / "LICENSE")
        shutil.copy(args.skeleton, source / "horse.json")
        if not args.no_skin:
            write_skin(source / "skin.npz", files.read_skeleton(args.skeleton), args.cache)
        own_tool("validate", source)
        own_tool("build", "--source-dir", source, "--output-dir", work)
        made = next(Path(work).glob("*.zip"))
        own_tool("validate", made)
        shutil.move(made, args.output / made.name)
    child.report(path=str(args.output / made.name), bytes=(args.output / made.name).stat().st_size)


def write_skin(path, skeleton, cache):
    """The horse's body with its coat, as few numbers as it takes: the four strongest weights of a vertex, a hundredth of a millimetre."""
    numbers = horse_builder.load_horse(skeleton, cache)
    vertices = horse_builder.shaped(numbers, skeleton, skeleton, LOOK)
    strongest = np.argsort(-numbers["weights"], 1)[:, :4]
    weights = np.take_along_axis(numbers["weights"], strongest, 1)
    np.savez_compressed(path, vertices=vertices.astype(np.float32), triangles=numbers["triangles"].astype(np.uint16 if len(vertices) < 65536 else np.uint32),
                        bones=np.take_along_axis(numbers["bones"], strongest, 1).astype(np.uint8), weights=(weights / weights.sum(1, keepdims=True)).astype(np.float16),
                        colours=np.clip(coat.coat_colours(numbers, LOOK)[:, :3], 0, 1).astype(np.float16))


def own_tool(*args):
    """Blender's `extension` command, which as a module is a script of its own; raises `ClipError` with what it found wrong."""
    script = next(Path(bpy.utils.resource_path("LOCAL")).rglob("bl_pkg/cli/blender_ext.py"), None)
    if script is None:
        raise files.ClipError("Expected Blender's tool for extensions (blender_ext.py), but this bpy has none. Use bpy 4.2 or later.")
    done = subprocess.run([sys.executable, str(script), *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        raise files.ClipError(f"Blender's `extension {args[0]}` failed: " + " ".join((done.stdout + done.stderr).split()))


child.run(main)
