# SPDX-License-Identifier: GPL-3.0-or-later
"""Render labelled pictures of horses.

    python blender/synth/render.py [JOBS.jsonl] --skeleton horse.json --cache DIR

A line of JOBS.jsonl, or of standard input, is a job, one clip:
    out       folder to write to
    size      [width, height] px;  samples (4) of Cycles;  fps (25) of the motion
    names     [stem, ...] one a picture;  frames [i, ...] which of the motion's frames each shows
    camera    {K, R, t} (OpenCV, x_camera = R x + t), one for all pictures or one each
    horses    [{skeleton: file, clip: .npz, look: {...}, tack_seed: int or null, at: [x, y, heading in rad] (optional: turns the motion about Z, then moves it), id}, ...]
              the first is the one that is filmed, the others stand around; none: a picture of the place alone
    place     {seed, eye (3,) m, root (3,) m, plain, eyes, paths, ...}: what is around is drawn from the seed and furnished for somebody at `eye` who looks at `root`, out of the way of all
              `eyes` (n,3) and of the `paths` (m,2) of the horses (theirs in this job if left out; jobs that film one place together must agree on all of these)
    photo     {seed, film (one look for all pictures, as a video has), shutter (share of 1/fps for which it is open; 0: no motion blur)}
    todo      [k, ...] which of the pictures to make; all if it is left out
`--skeleton` is the standard horse on which the skin was modelled.

Writes `out/images/<stem>.jpg` and `out/labels/<stem>.json` (see labels.py): {schema, frame, size, camera, place, photo, horses: [{id, keypoints, bbox_xywh, area, segmentation, heads, tails,
rotation, and the three as the camera sees them, look, tack}, ...]}, the filmed horse first. The label comes last and each is renamed into place, so that a picture with its label is complete;
what is complete is not made again.

On standard output, a line of JSON each: {"ready"} when jobs can come, {"at": stem} when a picture is begun ("" while the scene is furnished), {"frame": stem, seconds, ...} when it is there,
{"done": n} after a job, {"error", "at"} when a picture or the furnishing failed: the next picture, or job, follows all the same.
"""
import argparse
import errno
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

# Blender counts the cores once, at its start, and keeps that many threads, some of which wait by spinning. One process uses one core: so let it see one, until the first picture is there.
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
if CORES:
    os.sched_setaffinity(0, {CORES[os.getpid() % len(CORES)]})

import bpy  # noqa: E402
import numpy as np  # noqa: E402

sys.path.insert(0, str(Path(__file__).absolute().parents[1]))

from kinequimation_blender import child, files, maths
from synth import coat, exr, horse as horses, labels, photograph, stage as stages, tack

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Animal:
    """A horse of a job: its skin in the scene, posed frame by frame, with what it wears."""

    def __init__(self, renderer, number):
        self.renderer, self.number, self.tack = renderer, number, None
        self.made = horses.mesh_object(renderer.horse, renderer.horse["vertices"], np.ones((len(renderer.horse["vertices"]), 3)))
        settings = self.made if hasattr(self.made, "shadow_terminator_geometry_offset") else self.made.cycles  # there in Blender 4.2
        settings.shadow_terminator_geometry_offset = .2  # else the low sun draws the triangles on a pale coat
        self.made.data.materials.append(stages.material("coat", rough=.6, attribute="coat"))
        self.made.pass_index = number

    def dress(self, told, job):
        """Shape, coat, tack and motion as `told` in the job."""
        skin, standard, look = self.renderer.horse, self.renderer.standard, told.get("look") or {}
        self.told, self.fps, self.skeleton = told, job.get("fps", 25), files.read_skeleton(told["skeleton"])
        self.place_motion(job["frames"])
        self.rest = horses.shaped(skin, standard, self.skeleton, look)
        self.depth = labels.flesh(skin, self.rest, self.skeleton)
        horses.paint(self.made.data, coat.coat_colours(skin, look))
        self.wear(told.get("tack_seed"), look)
        show(self.made, True)

    def place_motion(self, frames):
        """Matrices (T,B,4,4) of the bones in each picture, and one frame of the motion later."""
        clip, at = files.read_clip(self.told["clip"], self.skeleton), self.told.get("at")
        frames, last = np.asarray(frames), len(clip["rotation"]) - 1
        self.sign = np.where(frames < last, 1, -1)  # at the motion's end: how it got there
        posed = maths.posed(self.skeleton, *(clip[key][np.concatenate([frames, np.clip(frames + self.sign, 0, last)])] for key in ("rotation", "root_location")))
        if at is not None:
            c, s = np.cos(at[2]), np.sin(at[2])
            posed = np.array([[c, -s, 0, at[0]], [s, c, 0, at[1]], [0, 0, 1, 0], [0, 0, 0, 1]]) @ posed
        self.matrices, self.later = posed[:len(frames)], posed[len(frames):]

    def wear(self, seed, look):
        self.leave()
        self.worn = None
        if seed is None:
            return
        self.worn = self.suited(tack.draw_tack(np.random.default_rng(seed), look))
        self.tack = tack.Tack(self.renderer.horse, self.rest, self.skeleton, self.worn)
        for made in self.tack.objects:
            made.pass_index = 0 if made.name.startswith("Rider") else self.number

    def suited(self, worn, walk=2.5):
        """Nobody leads a horse that is faster than a walk (m/s), and nobody sits on one that lies."""
        withers = self.skeleton["names"].index("shoulder.L")
        speed = np.linalg.norm((self.later - self.matrices)[:, 0, :2, 3], axis=1).max() * self.fps
        lying = self.matrices[:, withers, 2, 3].min() < .72 * self.skeleton["head"][withers, 2]
        return dict(worn, handler=None if speed > walk or lying else worn["handler"], rider=None if lying else worn["rider"])

    def leave(self):
        """Out of the picture, until it is dressed again."""
        if self.tack is not None:
            self.tack.remove()
        self.tack = None
        show(self.made, False)

    def pose(self, k, blurred):
        """Skin and tack as they are in picture k; for motion blur, how fast each of their points moves as well."""
        if blurred:
            self.put(self.later[k])
            later = [world_points(made) for made in self.objects()]
        self.skin = self.put(self.matrices[k])
        if blurred:
            for made, there in zip(self.objects(), later):
                set_velocity(made, (there - world_points(made)) * self.sign[k] * self.fps)

    def put(self, matrices):
        """Moves everything to where these bones are; the skin's vertices (V,3)."""
        skin = horses.skinned(self.renderer.horse, self.rest, self.skeleton, matrices)
        self.made.data.vertices.foreach_set("co", skin.astype(np.float32).ravel())
        self.made.data.update()
        if self.tack is not None:
            self.tack.pose(skin, matrices)
        return skin

    def objects(self):
        return [self.made, *([made for made in self.tack.objects if made.type == "MESH"] if self.tack is not None else [])]

    def label(self, k, camera, size, index, blurred):
        """Its label, or None where it is outside of the picture."""
        found = labels.horse(self.matrices[k], self.skeleton, camera, size, self.skin, self.depth, labels.mostly(index == self.number) if blurred else index == self.number)
        return found and dict(id=self.told.get("id"), **found, look=self.told.get("look") or {}, tack=self.worn)


class Renderer:
    """One Blender scene in which job after job is furnished and filmed."""

    def __init__(self, standard, cache):
        self.standard = files.read_skeleton(standard)
        self.horse = horses.load_horse(self.standard, cache)  # building it empties the scene, so it comes first
        self.stage = stages.Stage()
        self.scene = bpy.context.scene
        self.animals, self.free = [], False
        self.scratch = scratch_folder()
        to_exr(self.scene)

    def begin(self, job):
        """This job's horses in this job's place."""
        while len(self.animals) < len(job["horses"]):
            self.animals.append(Animal(self, len(self.animals) + 1))
        for animal, told in zip(self.animals, job["horses"]):
            animal.dress(told, job)
        for animal in self.animals[len(job["horses"]):]:
            animal.leave()
        place = job["place"]
        ends = [self.standard["names"].index(name) for name in ("spine.001", "head")]
        paths = place.get("paths") or [animal.matrices[k, b, :2, 3] for animal in self.animals[:len(job["horses"])] for k in range(len(job["frames"])) for b in ends]
        self.place = dict(place, **self.stage.dress(np.random.default_rng(place["seed"]), place["eye"], place["root"], place.get("plain", False), place.get("eyes"), paths))
        self.cameras = cameras(job["camera"], len(job["frames"]))
        self.scene.render.fps = max(1, round(job.get("fps", 25)))
        self.scene.cycles.samples = job.get("samples", 4)

    def frame(self, job, k):
        """One picture and its label; CPU seconds for each part."""
        clock, stem, out, photo = Clock(), job["names"][k], Path(job["out"]), job["photo"]
        blurred, present = photo.get("shutter", 0) > 0, self.animals[:len(job["horses"])]
        for animal in present:
            animal.pose(k, blurred)
        self.scene.render.use_motion_blur, self.scene.render.motion_blur_shutter = blurred, max(photo.get("shutter", 0), .01)
        self.stage.film(self.cameras[k], job["size"], **self.next_camera(k, photo))
        self.scene.cycles.seed = (photo["seed"] + job["frames"][k]) % 2**31
        clock("skin")
        linear, index = self.render()
        clock("cycles")
        found = [animal.label(k, self.cameras[k], job["size"], index, blurred) for animal in present]
        camera = {key: labels.rounded(self.cameras[k][key], 9) for key in "KRt"}
        look = photograph.draw_photo(np.random.default_rng(photo["seed"] if photo.get("film") else [photo["seed"], job["frames"][k]]))
        label = dict(schema=labels.SCHEMA, frame=stem, size=job["size"], camera=camera, place=self.place, photo=dict(photo, **look), horses=[f for f in found if f])
        text = json.dumps(label).encode()
        clock("labels")
        picture = self.jpeg(photograph.develop(linear, look, np.random.default_rng([photo["seed"], job["frames"][k], 1])), look["quality"])
        write(out / "images" / f"{stem}.jpg", picture)
        write(out / "labels" / f"{stem}.json", text)
        clock("photograph")
        return clock.parts

    def next_camera(self, k, photo):
        """Where a film's camera goes from picture k, for its blur: what takes single photographs stands still."""
        if not photo.get("film") or photo.get("shutter", 0) <= 0 or len(self.cameras) < 2:
            return {}
        return dict(next_camera=self.cameras[k + 1] if k + 1 < len(self.cameras) else onward(self.cameras[k - 1], self.cameras[k]))

    def render(self):
        """(h,w,3) linear light as exposed, (h,w) number of the horse in each pixel or 0."""
        path = self.scratch / "render.exr"
        self.scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        self.any_core()
        layer = {name.split(".", 1)[1]: pixels for name, pixels in exr.read(path).items()}
        light = np.stack([layer[f"Combined.{c}"] for c in "RGB"], -1)
        return light * np.float32(2 ** self.scene.view_settings.exposure), layer["Object Index.X" if "Object Index.X" in layer else "IndexOB.X"].astype(int)  # the second in Blender 4

    def any_core(self):
        """After the first picture: back to all cores, one at a time, as the system likes. Each thread has a mask of its own."""
        if CORES and not self.free:
            for thread in os.listdir("/proc/self/task"):
                os.sched_setaffinity(int(thread), CORES)
        self.free = True

    def jpeg(self, pixels, quality):
        """The bytes of a picture (h,w,3) uint8 sRGB. By way of memory: Blender does not say when the disk is full."""
        h, w = pixels.shape[:2]
        path, image = self.scratch / "picture.jpg", bpy.data.images.new("picture", w, h)
        rgba = np.ones((h, w, 4), np.float32)
        rgba[..., :3] = pixels[::-1] / np.float32(255)
        image.pixels.foreach_set(rgba.ravel())
        image.filepath_raw, image.file_format = str(path), "JPEG"
        image.save(quality=int(quality))
        bpy.data.images.remove(image)
        return path.read_bytes()


class Clock:
    """CPU seconds between one call and the next, by name."""

    def __init__(self):
        self.parts, self.last = {}, time.process_time()

    def __call__(self, name):
        now = time.process_time()
        self.parts[name], self.last = round(now - self.last, 4), now


def show(made, yes):
    """In the picture, and in the way of rays, or in neither."""
    made.hide_render = made.hide_viewport = not yes


def world_points(made):
    """(V,3) where an object's vertices are in the world."""
    points = np.empty(3 * len(made.data.vertices), np.float32)
    made.data.vertices.foreach_get("co", points)
    matrix = np.array(made.matrix_basis)  # matrix_world is only brought up to date by the next evaluation
    return points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def set_velocity(made, velocity):
    """What Cycles smears each point by: (V,3) m/s in the world."""
    here = velocity @ np.linalg.inv(np.array(made.matrix_basis)[:3, :3]).T
    attributes = made.data.attributes
    if "velocity" not in attributes:
        attributes.new("velocity", "FLOAT_VECTOR", "POINT")
    attributes["velocity"].data.foreach_set("vector", here.astype(np.float32).ravel())


def cameras(camera, n):
    """One {K, R, t} a picture."""
    stacked = {key: np.broadcast_to(np.asarray(camera[key], float), shape) for key, shape in (("K", (n, 3, 3)), ("R", (n, 3, 3)), ("t", (n, 3)))}
    return [{key: stacked[key][k] for key in "KRt"} for k in range(n)]


def onward(before, now):
    """The camera as far on as it has come since `before`."""
    turn = now["R"] @ before["R"].T
    return dict(now, R=turn @ now["R"], t=turn @ now["t"] + now["t"] - turn @ before["t"])


def to_exr(scene):
    """Light and the horses' numbers in one file without compression: written and read in a few ms."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):  # from Blender 5.0
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format, settings.exr_codec, settings.color_depth = "OPEN_EXR_MULTILAYER", "NONE", "32"
    if hasattr(settings, "use_exr_interleave"):
        settings.use_exr_interleave = True
    layer = scene.view_layers[0]
    layer.use_pass_object_index, layer.use_pass_z = True, False


def memory(least=256e6):
    """A folder in memory where the machine has one with room, else None: the usual temporary folder."""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > least else None


def scratch_folder(name="kinequimation-render"):
    """A folder for this process; those of processes that were killed are removed."""
    for path in Path(memory() or tempfile.gettempdir()).glob(f"{name}-*-*"):
        try:
            os.kill(int(path.name.split("-")[2]), 0)
        except ProcessLookupError:
            shutil.rmtree(path, ignore_errors=True)
        except (PermissionError, ValueError):
            pass
    return Path(tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=memory()))


def write(path, data):
    partial = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def render_job(renderer, job):
    """All pictures of a job that are not there yet. An error costs the picture, or where furnishing failed the job, not those that follow."""
    out = Path(job["out"])
    for folder in ("images", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    todo = [k for k in job.get("todo", range(len(job["names"]))) if not complete(out, job["names"][k])]
    cpu = time.process_time()
    if todo and attempt("", renderer.begin, job) is None:
        return child.report(done=0)
    begun, made = round(time.process_time() - cpu, 4), 0
    for k in todo:
        start, stem = time.perf_counter(), job["names"][k]
        parts = attempt(stem, renderer.frame, job, k)
        if parts is not None:
            child.report(frame=stem, seconds=round(time.perf_counter() - start, 3), cpu=parts)
            made += 1
    child.report(done=made, begin_cpu=begun)


def complete(out, stem):
    return (out / "labels" / f"{stem}.json").exists() and (out / "images" / f"{stem}.jpg").exists()


def attempt(stem, do, *args):
    """What `do` returns (never None), or None after it failed and the reason was told. A full disk ends it all: the next picture would not fit either."""
    child.report(at=stem)
    try:
        return do(*args) or {}
    except OSError as error:
        if error.errno in FULL:
            raise
        traceback.print_exc()
        child.report(error=child.one_line(error), at=stem)
    except Exception as error:
        traceback.print_exc()
        child.report(error=child.one_line(error), at=stem)


def floor(renderer, n, size):
    """CPU seconds a picture of nothing but sky, with the same settings: what no renderer of ours can be faster than."""
    for made in renderer.scene.objects:
        made.hide_render = made.hide_render or made.type == "MESH"
    renderer.scene.render.resolution_x, renderer.scene.render.resolution_y = size
    renderer.scene.cycles.samples = 4
    renderer.render()
    start = time.process_time()
    for _ in range(n):
        renderer.render()
    return (time.process_time() - start) / n


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jobs", type=Path, nargs="?", help="a job a line; standard input if it is left out")
    parser.add_argument("--skeleton", type=Path, required=True, help="the standard horse's skeleton file")
    parser.add_argument("--cache", type=Path, required=True, help="where the horse's mesh is kept between runs")
    parser.add_argument("--floor", type=int, nargs=2, metavar=("N", "SIZE"), help="no jobs: the CPU seconds of an empty picture, as the mean of N of SIZE px")
    args = parser.parse_args()
    renderer = Renderer(args.skeleton, args.cache)
    try:
        if args.floor:
            return child.report(floor_cpu=floor(renderer, args.floor[0], [args.floor[1]] * 2))
        child.report(ready=True)
        for line in args.jobs.read_text(encoding="utf-8").splitlines() if args.jobs else sys.stdin:
            if line.strip():
                render_job(renderer, json.loads(line))
    finally:
        shutil.rmtree(renderer.scratch, ignore_errors=True)


if __name__ == "__main__":
    child.run(main)
