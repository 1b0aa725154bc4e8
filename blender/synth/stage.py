# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the horse is filmed: sky and horizon, ground, sun, fences and trees and walls, a rider; a camera; Cycles, tuned to be fast.

The settings were measured: 4 samples with the fast denoiser can hardly be told from 32 at 256 px, and take about half a CPU second.
"""
import itertools
import math

import bpy
import numpy as np
from mathutils import Euler, Matrix

GROUNDS = [(.06, .12, .025), (.22, .16, .09), (.32, .27, .2), (.12, .12, .12), (.7, .7, .72), (.1, .07, .04), (.2, .2, .08)]  # grass, sand, dust, tarmac, snow, earth, straw
SENSOR_MM = 36.0
COUNT = itertools.count()


class Stage:
    """One Blender scene that is dressed anew for every job."""

    def __init__(self):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene, self.props, self.rider, self.retired = bpy.context.scene, [], [], []
        self.camera = self.add(bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera")))
        self.scene.camera = self.camera
        self.camera.data.sensor_fit, self.camera.data.sensor_width, self.camera.data.clip_end = "HORIZONTAL", SENSOR_MM, 500
        self.sun = self.add(bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN")))
        self.make_sky()
        self.make_ground()
        tune(self.scene)

    def add(self, made):
        self.scene.collection.objects.link(made)
        return made

    def make_sky(self):
        world = self.scene.world = bpy.data.worlds.new("World")
        world.use_nodes = True
        world.cycles.sampling_method = "NONE"
        tree = world.node_tree
        self.sky = tree.nodes.new("ShaderNodeTexEnvironment")
        self.background = next(n for n in tree.nodes if n.type == "BACKGROUND")
        tree.links.new(self.sky.outputs["Color"], self.background.inputs["Color"])

    def make_ground(self):
        bpy.ops.mesh.primitive_plane_add(size=160)
        ground = bpy.context.object
        paint = material("ground", (.5, .5, .5), .9)
        ground.data.materials.append(paint)
        nodes, links = paint.node_tree.nodes, paint.node_tree.links
        where, self.ground_scale, self.ground_image = (nodes.new(f"ShaderNode{n}") for n in ("TexCoord", "Mapping", "TexImage"))
        links.new(where.outputs["Object"], self.ground_scale.inputs["Vector"])
        links.new(self.ground_scale.outputs["Vector"], self.ground_image.inputs["Vector"])
        links.new(self.ground_image.outputs["Color"], shader(paint).inputs["Base Color"])

    def dress(self, rng, eye, root):
        """Another place and another light, seen from `eye` (3,) towards the horse at `root` (3,)."""
        self.clear()
        for old in filter(None, self.retired):
            bpy.data.images.remove(old)
        heaven = sky(rng)
        retired = [image(self.sky, heaven)]
        self.background.inputs["Strength"].default_value = rng.uniform(.6, 1.7)
        colour = np.array(GROUNDS[rng.integers(len(GROUNDS))]) * rng.uniform(.5, 1.4) * rng.normal(1, .06, 3)
        earth = np.clip(colour * np.exp(rng.uniform(.05, .45) * noise(rng, 512, 7, rng.uniform(.8, 1.2))), .004, .95)
        retired.append(image(self.ground_image, earth))
        self.ground_scale.inputs["Scale"].default_value = [rng.uniform(.04, .2)] * 2 + [1]
        self.sun.data.energy = rng.uniform(0, 4.5) if rng.random() < .85 else 0
        self.sun.data.angle = rng.choice([.01, .1, .6])
        self.sun.rotation_euler = (*rng.uniform(-1.1, 1.1, 2), 0)
        self.retired = retired
        self.expose(rng, heaven[heaven.shape[0] // 2:].mean(), earth.mean())
        clutter(self, rng, np.asarray(eye), np.asarray(root))

    def expose(self, rng, heaven, earth):
        """As a camera's meter would: between what the ground reflects and what things in general do."""
        light = self.background.inputs["Strength"].default_value * heaven + self.sun.data.energy / math.pi * .6
        self.scene.view_settings.exposure = float(np.clip(np.log2(rng.uniform(.1, .3) / (light * (.5 * earth + .12))), -4, 3))

    def clear(self):
        for made in self.props + self.rider:
            bpy.data.objects.remove(made, do_unlink=True)
        self.props, self.rider = [], []
        for store in (bpy.data.meshes, bpy.data.materials):
            for unused in [block for block in store if block.users == 0]:
                store.remove(unused)

    def prop(self, kind, location, scale, turn, colour):
        """A primitive in the background."""
        made = primitive(kind, colour)
        made.location, made.scale, made.rotation_euler = location, scale, turn
        self.props.append(made)

    def film(self, camera, size):
        """The camera of K, R, t (OpenCV) as Blender's."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = camera["R"].T @ np.diag([1, -1, -1]), -camera["R"].T @ camera["t"]
        self.camera.matrix_world = Matrix(matrix.tolist())
        self.camera.data.lens = camera["K"][0, 0] * SENSOR_MM / size[0]
        self.scene.render.resolution_x, self.scene.render.resolution_y = size

    def seat_rider(self, look, spine, scale):
        """A saddle and a crude rider on the back; `spine` (4,4) is the bone below the saddle, `look` what `rider_look` drew."""
        for made in self.rider:
            bpy.data.objects.remove(made, do_unlink=True)
        self.rider = []
        if look is None:
            return
        frame = rest_axes(spine) @ np.array([0, -.12, .24]) * scale + spine[:3, 3], rest_axes(spine)
        for kind, place, extent, turn, colour in rider_parts(look):
            made = primitive(kind, colour)
            made.matrix_world = (Matrix.Translation(frame[0] + frame[1] @ np.array(place) * scale) @ Matrix(frame[1].tolist()).to_4x4()
                                 @ Euler(turn).to_matrix().to_4x4() @ Matrix.Diagonal((*[e * scale for e in extent], 1)))
            self.rider.append(made)


def rest_axes(delta):
    """(3,3): the world's axes as the bone has turned them (`delta` is posed @ rest^-1 with the bone's place in its last column)."""
    return delta[:3, :3]


def tune(scene):
    """Cycles for small pictures on CPU cores: one thread a process, one process a core."""
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device, cycles.use_denoising, cycles.denoiser = "CPU", True, "OPENIMAGEDENOISE"
    cycles.denoising_input_passes, cycles.denoising_quality = "RGB", "FAST"
    cycles.max_bounces = cycles.diffuse_bounces = 1
    cycles.glossy_bounces = cycles.transmission_bounces = 0
    cycles.use_light_tree, cycles.pixel_filter_type = False, "BOX"
    render = scene.render
    render.use_persistent_data, render.use_compositing, render.use_sequencer = True, False, False
    render.threads_mode, render.threads = "FIXED", 1
    render.image_settings.file_format = "PNG"
    render.image_settings.compression = 0
    scene.view_settings.view_transform = "Standard"


def material(name, colour=None, rough=.7, attribute=None):
    """A matt material of one colour, or coloured by a mesh attribute."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    node = shader(made)
    node.inputs["Roughness"].default_value, node.inputs["Specular IOR Level"].default_value = rough, .25
    if colour is not None:
        node.inputs["Base Color"].default_value = (*map(float, colour), 1)
    if attribute:
        source = made.node_tree.nodes.new("ShaderNodeVertexColor")
        source.layer_name = attribute
        made.node_tree.links.new(source.outputs["Color"], node.inputs["Base Color"])
    return made


def shader(made):
    return next(n for n in made.node_tree.nodes if n.type == "BSDF_PRINCIPLED")


def primitive(kind, colour):
    more = {"segments": 20, "ring_count": 12} if kind == "uv_sphere" else {"vertices": 16} if kind == "cylinder" else {}
    getattr(bpy.ops.mesh, f"primitive_{kind}_add")(**more)
    made = bpy.context.object
    made.data.materials.append(material("prop", colour))
    if kind != "cube":
        made.data.polygons.foreach_set("use_smooth", np.ones(len(made.data.polygons), bool))
    return made


def noise(rng, n, octaves=4, falloff=1.2):
    """(n,n,3) smooth noise of unit variance, mostly grey with a little colour; it tiles."""
    out = np.zeros((n, n, 3), np.float32)
    for octave in range(octaves):
        cells = 2 ** (octave + 2)
        grid = rng.normal(0, 1, (cells, cells, 3)).astype(np.float32)
        x = np.arange(n) * cells / n
        i, f = x.astype(int), x % 1
        j, f = (i + 1) % cells, (f * f * (3 - 2 * f)).astype(np.float32)[:, None]
        rows = grid[i] * (1 - f[..., None]) + grid[j] * f[..., None]
        out += (rows[:, i] * (1 - f) + rows[:, j] * f) / falloff ** octave
    out -= out.mean((0, 1))
    grey = out.mean(-1, keepdims=True)
    return grey / grey.std() + .12 * out / out.std()


def sky(rng, h=256, w=512):
    """(h,w,3) linear: a sky that pales towards the horizon, clouds, and mostly lines of trees, hills or houses; or the blur of an indoor arena."""
    up = np.linspace(-1, 1, h)[:, None, None]
    blue = np.array([.25, .45, .85]) * rng.uniform(.6, 1.3)
    zenith = [blue, np.full(3, rng.uniform(.25, 1.1)) * rng.normal(1, .06, 3), rng.uniform(.1, 1) * rng.normal(1, .25, 3).clip(.4, 1.6)][rng.choice(3, p=[.45, .4, .15])]
    horizon = np.clip(.4 * zenith + .6 * rng.uniform(.4, 1.2), .02, 2)
    share = np.clip(up * rng.uniform(1, 3), 0, 1) ** .5
    clouds = noise(rng, w, 6, 1.5)[:h]
    cover = rng.uniform(0, .5) * np.clip(clouds[..., :1] - rng.uniform(-1, 1), 0, 2)
    out = np.clip(horizon * (1 - share) + zenith * share, .01, 3) * np.exp(.06 * clouds) + cover * (zenith.mean() + .1)
    if rng.random() < .15:
        out = np.clip(zenith * np.exp(rng.uniform(.2, .9) * noise(rng, w, rng.integers(3, 7), 1.3)[:h]), .01, 2)  # anything, out of focus
    column = np.arange(w)
    for distance in range(rng.integers(0, 4)):
        steps = np.sort(rng.integers(0, w, rng.integers(5, 40)))
        knots, turn = rng.normal(0, 1, rng.integers(6, 90)), rng.integers(w)
        wavy = np.interp(column, np.linspace(0, w, len(knots)), knots)
        blocks = rng.normal(0, 1, len(steps) + 1)[np.searchsorted(steps, column)]
        tops = h // 2 + np.abs(np.roll(wavy if rng.random() < .7 else blocks, turn)) * rng.uniform(2, 22) + rng.uniform(0, 12) - 6 * distance
        green = np.array([.05, .10, .03]) if rng.random() < .7 else rng.uniform(.02, .4, 3)
        tops = np.convolve(np.r_[tops[-3:], tops, tops[:3]], np.ones(7) / 7, "valid")
        colour = (green * rng.uniform(.3, 2) + horizon * rng.uniform(0, .35)) * rng.normal(1, .1, 3)
        texture = np.clip(np.exp(rng.uniform(.1, .5) * noise(rng, w, 7, rng.uniform(.9, 1.3))[:h]), .1, 3)
        row = np.arange(h)[:, None]
        inside = np.clip(tops[None, :] - row + 1.5 * texture[..., 0], 0, 1) * (row > h * .4)
        out = out * (1 - inside[..., None]) + np.clip(colour * texture, .004, 2) * inside[..., None]
    return out


def image(node, pixels):
    """Gives a texture node an image with these linear pixels (h,w,3); returns the image that it had, or None.

    A new image at another address each time: Cycles' persistent data knows an image by its name and address, and would go on showing what it had there.
    So the old one may be freed only after a render without it."""
    h, w = pixels.shape[:2]
    old = node.image
    made = bpy.data.images.new(f"{node.name} {next(COUNT)}", w, h, float_buffer=True)
    node.image = made
    rgba = np.ones((h, w, 4), np.float32)
    rgba[..., :3] = pixels
    made.pixels.foreach_set(rgba.ravel())
    made.update()
    return old


def clutter(stage, rng, eye, root):
    """A wall (sometimes with lines on it), fences, trees, boxes, bystanders; mostly behind the horse."""
    away = (root - eye) * (1, 1, 0)
    away /= max(np.linalg.norm(away), 1e-6)
    side, turn = np.array([-away[1], away[0], 0]), math.atan2(away[1], away[0]) - math.pi / 2
    if rng.random() < .28:
        wall(stage, rng, root + away * rng.uniform(1.3, 5), away, side, turn)
    if rng.random() < .35:
        fence(stage, rng, root + away * rng.uniform(1.2, 6) * (1 if rng.random() < .75 else -.35), side, turn)
    for _ in range(rng.integers(0, 9) * (rng.random() < .8)):
        x, y, _ = root + away * rng.uniform(2.5, 25) + side * rng.normal(0, 6)
        thing(stage, rng, x, y)


def wall(stage, rng, at, away, side, turn):
    """A wall, from whitewashed to dark; often with upright lines on it, sometimes squared, as before Muybridge's cameras."""
    tint = rng.normal(1, .05, 3) if rng.random() < .6 else rng.uniform(.4, 1.2, 3)
    colour = (rng.uniform(.45, .95) if rng.random() < .6 else rng.uniform(.03, .5)) * tint
    high = rng.uniform(1.2, 5)
    stage.prop("cube", (at[0], at[1], 2.5), (30, .05, high), (0, 0, turn), np.clip(colour, .02, .95))
    if rng.random() < .6:
        lines, gap, thick = np.clip(colour * rng.uniform(.1, .85), .01, .9), rng.choice([.3, .6, 1, 2]) * rng.uniform(.7, 1.3), rng.uniform(.003, .02)
        x, y, _ = at - .06 * away
        for k in range(-12, 13):
            stage.prop("cube", (x + side[0] * k * gap, y + side[1] * k * gap, 2), (thick, .005, .5 + high), (0, 0, turn), lines)
        for k in range(1, 9 if rng.random() < .5 else 1):
            stage.prop("cube", (x, y, k * gap), (30, .005, thick), (0, 0, turn), lines)


def fence(stage, rng, at, side, turn):
    colour = rng.uniform(.03, .8) * np.array([1, .9, .75])
    for z in (.5, .95, 1.35)[:rng.integers(1, 4)]:
        stage.prop("cube", (at[0], at[1], z), (20, .02, .05), (0, 0, turn), colour)
    for k in range(-6, 7):
        x, y, _ = at + side * k * 2.2
        stage.prop("cube", (x, y, .7), (.05, .05, .72), (0, 0, turn), colour)


def thing(stage, rng, x, y):
    """A tree, a box or somebody standing there."""
    kind, colour = rng.random(), rng.uniform(.05, .5) * rng.normal(1, .35, 3).clip(.2, 2)
    if kind < .5:
        leaves, height, wide = np.array([.03, .08, .02]) * rng.uniform(.3, 3) * rng.normal(1, .2, 3).clip(.3, 2), rng.uniform(.3, 4), rng.uniform(.5, 2)
        for _ in range(rng.integers(2, 6)):
            offset = rng.normal(0, .5, 3) * wide
            stage.prop("uv_sphere", (x + offset[0], y + offset[1], height + offset[2]), wide * rng.uniform(.4, 1, 3), rng.uniform(0, 3, 3), leaves * rng.uniform(.7, 1.3))
        stage.prop("cylinder", (x, y, height / 2), (rng.uniform(.05, .2),) * 2 + (height / 2,), (0, 0, 0), np.array([.08, .05, .03]) * rng.uniform(.5, 2))
    elif kind < .8:
        stage.prop("cube", (x, y, .8), rng.uniform(.2, 2.2, 3), (0, 0, rng.uniform(0, 3)), colour)
    else:
        stage.prop("uv_sphere", (x, y, 1), (.25, .25, .9), (0, 0, 0), colour)
        stage.prop("uv_sphere", (x, y, 2), (.14, .14, .16), (0, 0, 0), (.4, .25, .18))


def rider_look(rng, share=.3):
    """Colours and seat of a rider, or None: most horses have none."""
    return dict(colours=rng.uniform(.02, .85, (4, 1)) * rng.normal(1, rng.choice([.05, .5]), (4, 3)).clip(.1, 1.5), lean=rng.uniform(-.1, .7)) if rng.random() < share else None


def rider_parts(look):
    """(primitive, place, half extent, turn, colour) in the saddle's axes, for a horse of 1.60 m: forward is -Y."""
    lean, (cloth, jacket, trousers, cap) = look["lean"], look["colours"]
    skin, leather = (.35, .2, .14), (.02, .02, .02)
    parts = [("uv_sphere", (0, .08, 0), (.30, .30, .10), (0, 0, 0), cloth), ("uv_sphere", (0, .05, -.12), (.305, .33, .26), (0, 0, 0), cloth),
             ("uv_sphere", (0, .05 - .18 * lean, .42), (.17, .13, .36), (lean, 0, 0), jacket),
             ("uv_sphere", (0, -.05 - .55 * lean, .85 - .12 * lean), (.10, .12, .14), (0, 0, 0), skin),
             ("uv_sphere", (0, -.04 - .55 * lean, .92 - .12 * lean), (.115, .135, .09), (0, 0, 0), cap)]
    for s in (1, -1):
        parts += [("cylinder", (s * .22, -.12, -.02), (.085, .085, .26), (-1.0, s * .25, 0), trousers),
                  ("cylinder", (s * .32, -.20, -.33), (.06, .06, .24), (.25, 0, 0), trousers if lean < .4 else cap * .2),
                  ("uv_sphere", (s * .33, -.24, -.56), (.05, .13, .045), (0, 0, 0), leather),
                  ("cylinder", (s * .2, -.20 - .3 * lean, .42 - .05 * lean), (.045, .045, .2), (-1.1, -s * .2, 0), jacket),
                  ("cylinder", (s * .13, -.42 - .35 * lean, .28), (.04, .04, .16), (1.9, s * .5, 0), jacket)]
    return parts
