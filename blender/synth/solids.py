# SPDX-License-Identifier: GPL-3.0-or-later
"""Simple solids as numpy arrays, heaped into one mesh: a whole place is one object, which Blender and Cycles take in at once."""
import bpy
import numpy as np


class Heap:
    """Triangles of many things, with a colour for each corner point."""

    def __init__(self):
        self.parts, self.count = [], 0

    def add(self, solid, colour, smooth=False):
        """`solid` = (vertices (V,3) m, triangles (F,3)); `colour` linear RGB, one for all or one a vertex."""
        vertices, triangles = solid
        colours = np.broadcast_to(np.clip(colour, .003, .95), vertices.shape)
        self.parts.append((vertices, triangles + self.count, colours, np.full(len(triangles), smooth)))
        self.count += len(vertices)

    def fill(self, mesh):
        """Makes all this the contents of a mesh, colours in its attribute `paint`."""
        mesh.clear_geometry()
        if not self.parts:
            return
        vertices, triangles, colours, smooth = (np.concatenate(p) for p in zip(*self.parts))
        mesh.vertices.add(len(vertices))
        mesh.vertices.foreach_set("co", vertices.astype(np.float32).ravel())
        mesh.loops.add(3 * len(triangles))
        mesh.loops.foreach_set("vertex_index", triangles.astype(np.int32).ravel())
        mesh.polygons.add(len(triangles))
        mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * len(triangles), 3, dtype=np.int32))
        mesh.polygons.foreach_set("use_smooth", smooth)
        rgba = np.ones((len(vertices), 4), np.float32)
        rgba[:, :3] = colours
        mesh.attributes.new("paint", "FLOAT_COLOR", "POINT").data.foreach_set("color", rgba.ravel())
        mesh.update(calc_edges=True)


def turned(vertices, yaw):
    """About the vertical."""
    c, s = np.cos(yaw), np.sin(yaw)
    return vertices @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
_SIDES = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]])


def box(middle, half, yaw=0.0):
    """A box by its middle and half its size (3,)."""
    return turned(_CORNERS * half, yaw) + middle, _SIDES


def roof(middle, half, yaw=0.0):
    """A gable roof: its middle at the eaves, half its length and width, its height."""
    a, b, h = half
    return turned(np.array([[-a, -b, 0], [a, -b, 0], [a, b, 0], [-a, b, 0], [-a, 0, h], [a, 0, h]]), yaw) + middle, np.array([[0, 1, 5], [0, 5, 4], [2, 3, 4], [2, 4, 5], [0, 4, 3], [1, 2, 5]])


def rod(a, b, radius, radius_b=None, sides=8):
    """From a to b (3,), round; `radius_b` at its end."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    along = (b - a) / max(np.linalg.norm(b - a), 1e-9)
    across = np.cross(along, [1, 0, 0] if abs(along[0]) < .8 else [0, 1, 0])
    across /= np.linalg.norm(across)
    angle = 2 * np.pi * np.arange(sides) / sides
    ring = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * np.cross(along, across)
    i, j = np.arange(sides), (np.arange(sides) + 1) % sides
    sheath = np.concatenate([np.stack([i, j, j + sides], 1), np.stack([i, j + sides, i + sides], 1)])
    lids = np.concatenate([np.stack([j, i, i * 0 + 2 * sides], 1), np.stack([i, j, i * 0 + 2 * sides + 1], 1) + [sides, sides, 0]])
    return np.concatenate([a + radius * ring, b + (radius if radius_b is None else radius_b) * ring, [a, b]]), np.concatenate([sheath, lids])


def _globe(rings=6, sides=10):
    lat, lon = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)[1:-1], 2 * np.pi * np.arange(sides) / sides
    v = np.stack([np.outer(np.cos(lat), np.cos(lon)), np.outer(np.cos(lat), np.sin(lon)), np.outer(np.sin(lat), np.ones(sides))], -1).reshape(-1, 3)
    n, i = len(v), np.arange(sides)
    j, faces = (i + 1) % sides, []
    for r in range(rings - 2):
        p, q = r * sides, (r + 1) * sides
        faces += [np.stack([p + i, p + j, q + j], 1), np.stack([p + i, q + j, q + i], 1)]
    faces += [np.stack([j, i, i * 0 + n], 1), np.stack([n - sides + i, n - sides + j, i * 0 + n + 1], 1)]
    return np.concatenate([v, [[0, 0, -1], [0, 0, 1]]]), np.concatenate(faces)


_GLOBE = _globe()


def ball(middle, radii, yaw=0.0):
    """An ellipsoid."""
    return turned(_GLOBE[0] * radii, yaw) + middle, _GLOBE[1]


def leaves(rng, middle, radii, n, size):
    """n leaves (single triangles of about `size` m) about the surface of an ellipsoid: foliage that light falls through."""
    out = rng.standard_normal((n, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    at = np.asarray(middle) + out * radii * rng.uniform(.55, 1.05, (n, 1))
    corners = at[:, None] + size * rng.uniform(-1, 1, (n, 3, 3))
    return corners.reshape(-1, 3), np.arange(3 * n).reshape(n, 3)


def blades(rng, feet, height, width):
    """Blades of grass, a triangle each, at `feet` (n,2) m."""
    n = len(feet)
    high = height * rng.uniform(.5, 1.1, n)
    yaw = rng.uniform(0, np.pi, n)
    across = .5 * width * np.stack([np.cos(yaw), np.sin(yaw), 0 * yaw], 1)
    foot = np.concatenate([feet, np.zeros((n, 1))], 1)
    tip = foot + np.concatenate([rng.normal(0, .3, (n, 2)) * high[:, None], high[:, None]], 1)
    return np.stack([foot - across, foot + across, tip], 1).reshape(-1, 3), np.arange(3 * n).reshape(n, 3)


def mesh_object(name):
    """An empty mesh object for a heap to fill."""
    return bpy.data.objects.new(name, bpy.data.meshes.new(name))
