# SPDX-License-Identifier: GPL-3.0-or-later
"""The horse's outside at rest: a body lofted along the bones and melted into one skin, a tail and a mane. Metres, facing -Y.

The sections were drawn on Rigify's rest pose: withers, croup and tuck-up in the top and bottom line of the trunk, the gaskin, the hock
and the jaw are what make it a horse at 256 px.
"""
import bmesh
import bpy
import numpy as np
from mathutils import Vector

# trunk: y, top, bottom, half width
TRUNK = [(.97, 1.40, 1.12, .06), (.93, 1.44, 1.02, .13), (.85, 1.50, .95, .19), (.65, 1.56, .88, .25), (.45, 1.575, .84, .275), (.25, 1.53, .80, .275),
         (0, 1.495, .74, .28), (-.2, 1.50, .70, .275), (-.4, 1.585, .70, .25), (-.52, 1.60, .73, .22), (-.68, 1.55, .82, .19), (-.82, 1.42, .92, .16),
         (-.92, 1.30, 1.02, .08)]
# neck and head: y, z, half height, half width
NECK = [(-.45, 1.30, .33, .17), (-.65, 1.40, .30, .15), (-.82, 1.52, .25, .12), (-1.0, 1.67, .205, .10), (-1.16, 1.78, .165, .085), (-1.30, 1.84, .12, .08)]
HEAD = [(-1.24, 1.86, .09, .06), (-1.30, 1.80, .14, .095), (-1.40, 1.71, .155, .105), (-1.47, 1.62, .14, .09), (-1.55, 1.50, .105, .066),
        (-1.61, 1.40, .088, .06), (-1.655, 1.335, .075, .06), (-1.675, 1.305, .05, .045)]
# legs and ears, of the left side: x, y, z, half height (fore and aft), half width
FORELEG = [(.09, -.48, 1.50, .10, .06), (.11, -.58, 1.35, .16, .085), (.14, -.66, 1.17, .17, .10), (.16, -.60, 1.0, .15, .09), (.164, -.54, .84, .10, .075),
           (.164, -.537, .70, .08, .065), (.164, -.538, .56, .055, .05), (.164, -.54, .49, .058, .052), (.164, -.533, .42, .045, .042), (.164, -.525, .33, .038, .034),
           (.164, -.516, .24, .046, .042), (.164, -.53, .19, .042, .038), (.164, -.565, .12, .042, .04), (.164, -.585, .085, .055, .05), (.164, -.60, .04, .066, .06),
           (.164, -.605, .004, .07, .064)]
HINDLEG = [(.10, .62, 1.45, .20, .10), (.15, .62, 1.28, .25, .11), (.17, .60, 1.12, .23, .11), (.185, .60, .98, .17, .095), (.193, .66, .84, .105, .07),
           (.193, .715, .72, .07, .05), (.193, .76, .62, .062, .048), (.193, .755, .55, .056, .045), (.193, .735, .45, .043, .038), (.193, .71, .32, .04, .036),
           (.193, .695, .23, .048, .043), (.193, .67, .17, .042, .038), (.193, .64, .115, .043, .04), (.193, .625, .08, .055, .05), (.193, .615, .04, .064, .058),
           (.193, .61, .004, .068, .062)]
EAR = [(.055, -1.345, 1.83, .03, .035), (.075, -1.375, 1.90, .025, .04), (.10, -1.41, 1.97, .018, .03), (.12, -1.435, 2.03, .006, .008)]
TAIL_RADII = (.045, .045, .055, .075, .085, .075, .02)
CREST = [(-.50, 1.60), (-.66, 1.69), (-.82, 1.77), (-1.0, 1.875), (-1.16, 1.945), (-1.27, 1.965), (-1.36, 1.93)]  # y, z


def loft(bm, points, heights, widths, sides=16, power=2.2):
    """A tube of super-ellipse sections (power 2 = ellipse, more = boxier) along a line, closed at both ends."""
    points, lateral, rings = [Vector(p) for p in points], Vector((1, 0, 0)), []
    for i, centre in enumerate(points):
        along = (points[min(i + 1, len(points) - 1)] - points[max(i - 1, 0)]).normalized()
        up = lateral.cross(along).normalized()
        across = along.cross(up)
        angle = 2 * np.pi * np.arange(sides) / sides
        u, v = (np.sign(f) * np.abs(f) ** (2 / power) for f in (np.cos(angle), np.sin(angle)))
        rings.append([bm.verts.new(centre + across * float(a) * widths[i] + up * float(b) * heights[i]) for a, b in zip(u, v)])
    for a, b in zip(rings[:-1], rings[1:]):
        for k in range(sides):
            bm.faces.new((a[k], a[(k + 1) % sides], b[(k + 1) % sides], b[k]))
    bm.faces.new(rings[0][::-1])
    bm.faces.new(rings[-1])


def body():
    """The body as an object: parts lofted, melted by a voxel remesh, smoothed, thinned to some 8,000 faces."""
    bm = bmesh.new()
    loft(bm, [(0, y, (t + b) / 2) for y, t, b, _ in TRUNK], [(t - b) / 2 for _, t, b, _ in TRUNK], [w for *_, w in TRUNK], sides=28, power=2.1)
    for part in (NECK, HEAD):
        loft(bm, [(0, y, z) for y, z, *_ in part], [h for *_, h, _ in part], [w for *_, w in part], sides=20)
    for side in (1, -1):
        for part in (FORELEG, HINDLEG, EAR):
            loft(bm, [(side * x, y, z) for x, y, z, *_ in part], [h for *_, h, _ in part], [w for *_, w in part])
    horse = to_object(bm, "body")
    bpy.context.view_layer.objects.active = horse
    remesh = horse.modifiers.new("melt", "REMESH")
    remesh.mode, remesh.voxel_size = "VOXEL", .013
    smooth = horse.modifiers.new("smooth", "SMOOTH")
    smooth.factor, smooth.iterations = .5, 9
    horse.modifiers.new("thin", "DECIMATE").ratio = .35
    for modifier in list(horse.modifiers):
        bpy.ops.object.modifier_apply(modifier=modifier.name)
    return horse


def tail(skeleton):
    """The tail's hair as one lock around its bones."""
    index = skeleton["names"].index
    line = [skeleton["head"][index("tail.001")] + (0, -.06, -.02)] + [skeleton["head"][index(f"tail.00{k}")] for k in range(1, 6)] + [skeleton["tail"][index("tail.005")]]
    at = np.linspace(0, 6, 25)
    fine = np.stack([np.interp(at, range(7), np.array(line)[:, axis]) for axis in range(3)], 1)
    radius = np.interp(at, range(7), TAIL_RADII)
    bm = bmesh.new()
    loft(bm, fine, radius, .75 * radius, sides=10, power=2)
    return to_object(bm, "tail")


def mane():
    """The mane as two sheets from the crest: the long one falls to the left, the short one keeps the crest from being bare."""
    bm = bmesh.new()
    for side, length in ((1, .26), (-1, .05)):
        rows = [[bm.verts.new(p) for p in ((0, y, z + .015), (side * .055, y, z - .04), (side * (.115 if i < 5 else .09), y - .02, z - length))] for i, (y, z) in enumerate(CREST)]
        for a, b in zip(rows[:-1], rows[1:]):
            for k in (0, 1):
                bm.faces.new((a[k], a[k + 1], b[k + 1], b[k]))
    return to_object(bm, "mane")


def to_object(bm, name):
    mesh = bpy.data.meshes.new(name)
    bm.to_mesh(mesh)
    bm.free()
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made
