# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion clip onto Rigify's horse by the Rokoko add-on (Blender 4.2 to 4.5), and how near it came, beside our own retargeter.

    python blender/scripts/retarget_rokoko.py clip.npz --skeleton horse.json -o rokoko.blend --addon rokoko-studio-live-blender [--measure rokoko.json]
"""
import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from kinequimation_blender import child, files, ml_rig, options, proportions, retarget, rig, rokoko, scene


def main():
    args = arguments()
    rokoko.require(args.addon)
    skeleton, mapping = files.read_skeleton(args.skeleton), retarget.read_mapping(args.mapping)
    clip = files.part(files.read_clip(args.clip, skeleton), args.frames, args.clip)
    frames, name, result = scene.new_scene(clip["meta"]["fps"], len(clip["rotation"])), args.name or args.clip.stem, {}
    if args.measure:
        ours = rig.build_rig("ours")
        start = time.process_time()
        source = retarget.retarget(ours, skeleton, clip, mapping, frames, name + "_ours")
        result["own"] = measured(ours, skeleton, source, frames, clip, time.process_time() - start)
    scene.new_scene(clip["meta"]["fps"], len(clip["rotation"]))
    horse, bare = rig.build_rig(), ml_rig.build_ml_rig(skeleton)
    ml_rig.pose_ml_rig(bare, skeleton, clip, frames, name + "_ML")
    start = time.process_time()
    rokoko.retarget(bare, horse, skeleton, mapping, frames, name)
    seconds = time.process_time() - start
    if args.measure:
        result["rokoko"] = measured(horse, skeleton, source, frames, clip, seconds)
        with files.atomic_path(args.measure) as partial:
            partial.write_text(json.dumps(result, indent=1) + "\n")
    if "contacts" in clip:
        scene.add_markers(clip["contacts"], frames)
    with files.atomic_path(args.output) as partial:
        scene.save(partial)
    child.report(output=str(args.output), **result)


def measured(horse, skeleton, source, frames, clip, seconds):
    got = retarget.evaluate(horse, ["DEF-" + n for n in skeleton["names"]], frames, world=False)
    mm = 1000 * np.linalg.norm(got[..., :3, 3] - source[..., :3, 3], axis=-1)
    out = {"n_frames": len(frames), "cpu_seconds": round(seconds, 2), "median_mm": round(float(np.median(mm)), 3), "p99_mm": round(float(np.percentile(mm, 99)), 3)}
    if "contacts" in clip:
        planted = np.asarray(clip["contacts"], bool)
        away = 1000 * np.linalg.norm(proportions.tips(skeleton, got) - proportions.tips(skeleton, source), axis=-1)[planted]
        out["hoof_planted_max_mm"] = round(float(away.max(initial=0)), 3)
    return out


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--skeleton", type=Path, required=True, help="the skeleton file (JSON) that the clip is for")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .blend to write")
    parser.add_argument("--addon", type=Path, help="the add-on's folder, where it isn't installed")
    parser.add_argument("--measure", type=Path, help="JSON with error and time of both ways")
    parser.add_argument("--mapping", type=Path, default=retarget.MAPPINGS / "horse.json")
    options.of_clip(parser)
    return parser.parse_args()


child.run(main)
