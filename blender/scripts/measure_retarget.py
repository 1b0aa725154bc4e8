# SPDX-License-Identifier: GPL-3.0-or-later
"""How near the rig's DEF bones come to clips, read back in Blender after evaluation: JSON with medians and percentiles.

    python blender/scripts/measure_retarget.py clip.npz --skeleton horse.json -o retarget.json
    python blender/scripts/measure_retarget.py walk.npz trot.npz --skeleton horse.json --reduce 3 1 --limbs FK --switch -o retarget.json
"""
import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from kinequimation_blender import child, files, keys, limbs, proportions, retarget, rig, scene


def main():
    args = arguments()
    skeleton, mapping = files.read_skeleton(args.skeleton), retarget.read_mapping(args.mapping)
    clips, results = {path: files.read_clip(path, skeleton) for path in args.clip}, {}
    for n, (path, clip) in enumerate(clips.items()):
        tell = lambda i, m: child.report(stage=path.stem, done=n * (m + 1) + i, total=len(clips) * (m + 1))
        results[path.stem] = measure(args, skeleton, mapping, clip, path.stem, tell)
    result = next(iter(results.values())) if len(results) == 1 else {"clips": results}
    with files.atomic_path(args.output) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n")
    child.report(**{name: {k: r[k] for k in ("median_mm", "p99_mm", "hoof_planted_max_mm", "slide_max_mm", "seconds", "share_of_keys")} for name, r in results.items()})


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path, nargs="+")
    parser.add_argument("--skeleton", type=Path, required=True, help="of the horse that the clips are of; another than Rigify's is fitted to the rig")
    parser.add_argument("--rig-skeleton", type=Path, help="of the horse that the rig is generated for; Rigify's own if left out")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--mapping", type=Path, default=retarget.MAPPINGS / "horse.json")
    parser.add_argument("--limbs", choices=retarget.LIMBS, default="IK")
    parser.add_argument("--reduce", type=float, nargs=2, metavar=("MM", "DEGREES"), help="fewer keys")
    parser.add_argument("--switch", action="store_true", help="switch all legs to the other mode and back, and say how far that takes them")
    return parser.parse_args()


def measure(args, skeleton, mapping, clip, name, tell):
    frames = scene.new_scene(clip["meta"]["fps"], len(clip["rotation"]))
    horse = rig.build_rig(proportions=args.rig_skeleton and files.read_skeleton(args.rig_skeleton))
    start, start_cpu = time.perf_counter(), time.process_time()
    source = retarget.retarget(horse, skeleton, clip, mapping, frames, name, tell, args.limbs, reduce=args.reduce)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    own, names = retarget.rest_of(horse, skeleton), ["DEF-" + n for n in skeleton["names"]]
    got = retarget.evaluate(horse, names, frames, world=False)
    out = summary(skeleton["names"], 1000 * np.linalg.norm(got[..., :3, 3] - source[..., :3, 3], axis=-1), retarget.angles(got, source), seconds)
    out["cpu_seconds_per_300_frames"] = round(300 * cpu / len(frames), 2)  # what other programs take from the machine does not count
    out |= {"leg_m": round(float(proportions.leg_length(own)), 4), "clip_leg_m": round(float(proportions.leg_length(skeleton)), 4)}
    out |= hooves(own, source, got, clip.get("contacts")) | keyed(horse, mapping, frames)
    if args.switch:
        for to in [m for m in retarget.LIMBS if m != args.limbs] + [args.limbs]:
            limbs.switch(horse, skeleton, mapping, limbs.LEGS, to)
            away = np.linalg.norm(retarget.evaluate(horse, names, frames, world=False)[..., :3, 3] - got[..., :3, 3], axis=-1)
            out[f"switch_to_{to}_max_mm"] = round(1000 * float(away.max()), 4)
    return out


def summary(names, distance, angle, seconds):
    """Over all frames and bones; hooves apart; the median a bone."""
    ends = [i for i, n in enumerate(names) if "hoof" in n]
    rounded = lambda x, digits=4: round(float(x), digits)
    return {"n_frames": len(distance), "n_bones": len(names), "seconds": rounded(seconds, 2), "seconds_per_300_frames": rounded(300 * seconds / len(distance), 2),
            "median_mm": rounded(np.median(distance)), "mean_mm": rounded(distance.mean()), "p99_mm": rounded(np.percentile(distance, 99)),
            "max_mm": rounded(distance.max()), "hoof_max_mm": rounded(distance[:, ends].max()), "median_deg": rounded(np.median(angle)),
            "per_bone_mm": {n: rounded(np.median(distance[:, i])) for i, n in enumerate(names)},
            "per_bone_max_mm": {n: rounded(distance[:, i].max()) for i, n in enumerate(names)}}


def hooves(own, source, got, contacts):
    """While planted: how far the hooves' tips are from where they should be, how far they slide within a stance, and how deep they sink."""
    if contacts is None:
        return {"hoof_planted_max_mm": None, "slide_max_mm": None, "sink_max_mm": None}
    wanted, tip, slide = 1000 * proportions.tips(own, source), 1000 * proportions.tips(own, got), [0.0]
    contacts = np.asarray(contacts, bool)
    for leg in range(4):
        planted = np.flatnonzero(contacts[:, leg])
        for stance in np.split(planted, np.flatnonzero(np.diff(planted) > 1) + 1):
            if len(stance):
                slide.append(np.linalg.norm(tip[stance, leg, :2] - tip[stance[0], leg, :2], axis=-1).max())
    return {"hoof_planted_max_mm": round(float(np.linalg.norm(tip - wanted, axis=-1)[contacts].max(initial=0)), 4), "slide_max_mm": round(float(max(slide)), 4),
            "sink_max_mm": round(float(max(0, -tip[..., 2].min())), 4)}


def keyed(horse, mapping, frames):
    """How many keys there are, of how many that a key a frame would make; and bones that have keys but are no controls."""
    curves = keys.channels(horse).fcurves
    names = {row["control"] for row in [mapping["root"], *mapping["controls"]]}
    others = sorted({b.name for b in horse.pose.bones for c in curves if c.data_path.startswith(keys.bone_path(b.name, ""))} - names)
    n = sum(len(c.keyframe_points) for c in curves)
    return {"n_keys": n, "n_curves": len(curves), "share_of_keys": round(n / (len(curves) * len(frames)), 4), "keyed_bones_that_are_no_controls": others}


child.run(main)
