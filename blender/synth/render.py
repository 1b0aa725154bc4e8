# SPDX-License-Identifier: GPL-3.0-or-later
"""Render labelled pictures of horses.

    python blender/synth/render.py JOBS.jsonl --skeleton horse.json --cache DIR

A line of JOBS.jsonl is a job, one horse in one place: `out` (folder), `skeleton` (this horse's file), `clip` (.npz), `frames` [i, ...] and `names` [stem, ...],
`camera` {K, R, t} (OpenCV, x_camera = R x + t; R and t for all frames or one each), `size` [w, h] px, `seed` (everything about the look),
`samples` (4), `horse` (true; false = a picture of the place without it), `place` {eye, root} (3,) m each (where camera and horse are when the place is furnished; theirs in the job's
first frame if it is left out, so jobs that film one place together must agree on it), `film` (false; true = one exposure for all frames, as a video has it). `--skeleton` is the standard horse on which the skin was modelled.

Writes `out/images/<stem>.jpg` and `out/labels/<stem>.json`: keypoints (68,3) x y visibility (0 outside, 1 hidden, 2 seen), bbox_xywh px, heads and tails (80,3) m world,
rotation (80,4) wxyz global delta, camera, size, coat, rider, seed. The label comes last and each is renamed into place, so that a picture with its label is complete;
what is complete is not made again. A line of JSON on stdout for each picture.
"""
import argparse
import json
import os
import sys
import time
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).absolute().parents[1]))

from kinequimation_blender import child, files, maths
from synth import coat, horse as horses, labels, stage as stages


class Renderer:
    def __init__(self, standard, cache):
        self.standard = files.read_skeleton(standard)
        self.horse = horses.load_horse(self.standard, cache)
        self.stage = stages.Stage()
        self.made = horses.mesh_object(self.horse, self.horse["vertices"], np.ones((len(self.horse["vertices"]), 3)))
        self.made.shadow_terminator_geometry_offset = .2  # else the low sun draws the triangles on a pale coat
        self.made.data.materials.append(stages.material("coat", rough=.6, attribute="coat"))

    def begin(self, job):
        """This job's horse in this job's place."""
        rng = np.random.default_rng(job["seed"])
        self.skeleton = files.read_skeleton(job["skeleton"])
        self.clip = files.read_clip(job["clip"], self.skeleton)
        self.matrices = maths.posed(self.skeleton, self.clip["rotation"][job["frames"]], self.clip["root_location"][job["frames"]])
        self.rest = horses.proportioned(self.horse, self.standard, self.skeleton, girth=rng.uniform(.92, 1.1))
        self.rest = horses.groomed(self.horse, self.rest, np.random.default_rng([job["seed"], 1]))
        self.depth = labels.flesh(self.horse, self.rest, self.skeleton)
        colours, self.coat = coat.coat_colours(self.horse, rng)
        horses.paint(self.made.data, colours)
        self.rider = stages.rider_look(rng) if job.get("horse", True) else None
        self.cameras = cameras(job["camera"], len(job["frames"]))
        first = self.cameras[0]
        place = job.get("place") or {"eye": -first["R"].T @ first["t"], "root": self.matrices[0, 0, :3, 3]}
        self.stage.dress(rng, np.asarray(place["eye"], float), np.asarray(place["root"], float))

    def frame(self, job, k):
        """One picture and its label."""
        stem, out, camera, with_horse = job["names"][k], Path(job["out"]), self.cameras[k], job.get("horse", True)
        vertices = horses.skinned(self.horse, self.rest, self.skeleton, self.matrices[k])
        self.made.data.vertices.foreach_set("co", vertices.astype(np.float32).ravel())
        self.made.data.update()
        self.made.hide_render = not with_horse
        self.seat_rider(k)
        self.stage.film(camera, job["size"])
        self.stage.scene.cycles.samples, self.stage.scene.cycles.seed = job.get("samples", 4), (job["seed"] + job["frames"][k]) % 2**31
        label = dict(self.geometry(k, camera, job["size"], vertices, with_horse), horse=with_horse, coat=self.coat, rider=self.rider is not None, seed=job["seed"], size=job["size"])
        grain = np.random.default_rng([job["seed"], job["frames"][k]])
        picture(out / "images" / f"{stem}.jpg", np.random.default_rng(job["seed"]) if job.get("film") else grain, grain)
        write(out / "labels" / f"{stem}.json", json.dumps(label).encode())

    def seat_rider(self, k):
        below = self.skeleton["names"].index("spine.004")
        delta = self.matrices[k, below] @ np.linalg.inv(self.skeleton["matrix_local"][below])
        delta[:3, 3] = self.matrices[k, below, :3, 3]
        back = [self.skeleton["head"][self.skeleton["names"].index(n)] for n in ("neck.001", "spine.001")]
        self.stage.seat_rider(self.rider, delta, np.linalg.norm(back[0] - back[1]) / 1.565)

    def geometry(self, k, camera, size, vertices, with_horse):
        posed, rest = self.matrices[k], self.skeleton["matrix_local"]
        delta = posed[:, :3, :3] @ np.swapaxes(rest[:, :3, :3], 1, 2)
        heads = posed[:, :3, 3]
        tails = heads + np.einsum("bij,bj->bi", delta, self.skeleton["tail"] - self.skeleton["head"])
        points = labels.keypoints(heads, camera, size, self.depth) if with_horse else np.zeros((labels.N_KEYPOINTS, 3))
        return dict(keypoints=rounded(points, 3), bbox_xywh=rounded(labels.box(vertices, camera, size) if with_horse else [0] * 4, 2), heads=rounded(heads, 5), tails=rounded(tails, 5),
                    rotation=rounded(maths.matrix_to_quat(delta), 6), camera={key: rounded(camera[key], 9) for key in "KRt"})


def rounded(a, digits):
    return np.round(np.asarray(a, float), digits).tolist()


def cameras(camera, n):
    """One {K, R, t} a frame."""
    R, t = np.asarray(camera["R"], float), np.asarray(camera["t"], float)
    R, t = np.broadcast_to(R, (n, 3, 3)), np.broadcast_to(t, (n, 3))
    return [{"K": np.asarray(camera["K"], float), "R": R[k], "t": t[k]} for k in range(n)]


def picture(path, rng, grain):
    """Renders, then exposes and compresses (as `rng` draws) and grains as a camera does."""
    partial = path.with_name(f".{path.stem}-{os.getpid()}.png")
    bpy.context.scene.render.filepath = str(partial)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(partial))
    pixels = np.empty(image.size[0] * image.size[1] * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(-1, image.channels)
    pixels[:, :3] = lens(pixels[:, :3].reshape(image.size[1], image.size[0], 3), rng).reshape(-1, 3)
    if rng.random() < .5:
        pixels[:, :3] = pixels[:, :3] * rng.uniform(.75, 1.3) + rng.normal(0, .04)
    pixels[:, :3] += rng.uniform(0, .024) * grain.standard_normal((len(pixels), 3))
    image.pixels.foreach_set(np.clip(pixels, 0, 1).ravel())
    jpeg = partial.with_suffix(".jpg")
    image.filepath_raw, image.file_format = str(jpeg), "JPEG"
    image.save(quality=int(rng.integers(60, 96)))
    bpy.data.images.remove(image)
    partial.unlink()
    jpeg.replace(path)


def lens(pixels, rng):
    """(h,w,3) sometimes less sharp, sometimes without colours or brown with age, as films are."""
    blur = rng.uniform(.3, 1.0) * (rng.random() < .35) * max(pixels.shape[:2]) / 256  # px
    if blur > 0:
        reach = int(np.ceil(3 * blur))
        weight = np.exp(-.5 * (np.arange(-reach, reach + 1) / blur) ** 2)
        for axis in (0, 1):
            padded = np.pad(pixels, [(reach, reach) if a == axis else (0, 0) for a in range(3)], "edge")
            pixels = sum(w * np.take(padded, np.arange(k, k + pixels.shape[axis]), axis) for k, w in enumerate(weight / weight.sum()))
    old = rng.random()
    if old < .22:
        grey = pixels @ np.array([.3, .6, .1], pixels.dtype)
        pixels = grey[..., None] * (np.ones(3) if old < .14 else np.array([1.08, .98, .8]))
        pixels = .5 + (pixels - .5) * rng.uniform(.7, 1.4)
    return pixels


def write(path, data):
    partial = path.with_name(f".{path.name}-{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jobs", type=Path)
    parser.add_argument("--skeleton", type=Path, required=True, help="the standard horse's skeleton file")
    parser.add_argument("--cache", type=Path, required=True, help="where the horse's mesh is kept between runs")
    args = parser.parse_args()
    renderer = Renderer(args.skeleton, args.cache)
    for line in args.jobs.read_text(encoding="utf-8").splitlines():
        render_job(renderer, json.loads(line))


def render_job(renderer, job):
    out = Path(job["out"])
    for folder in ("images", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    todo = [k for k, stem in enumerate(job["names"]) if not (out / "labels" / f"{stem}.json").exists() or not (out / "images" / f"{stem}.jpg").exists()]
    if todo:
        renderer.begin(job)
    for k in todo:
        start = time.perf_counter()
        renderer.frame(job, k)
        child.report(frame=job["names"][k], seconds=round(time.perf_counter() - start, 3))


if __name__ == "__main__":
    child.run(main)
