# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the picture, exactly: keypoints with visibility, box, every bone in 3D, the camera.

Visibility as in COCO: 0 outside of the picture, 1 inside but hidden, 2 seen. Joints lie under flesh, so a joint is hidden only when the first
thing that the line of sight meets is nearer than the joint by more than the flesh over it.
"""
import bpy
import numpy as np
from mathutils import Vector

N_KEYPOINTS = 68


def project(points, camera):
    """(N,2) px and (N,) depth in m of points in the world; camera: K, R, t with x_camera = R x + t."""
    seen = points @ camera["R"].T + camera["t"]
    uvw = seen @ camera["K"].T
    return uvw[:, :2] / np.where(np.abs(uvw[:, 2:]) < 1e-6, 1e-6, uvw[:, 2:]), seen[:, 2]


def flesh(horse, rest, skeleton):
    """(68,) m: how deep under the skin each keypoint lies at rest, and a little more."""
    body = rest[horse["part"] == 0]
    return np.array([np.linalg.norm(body - head, axis=1).min() for head in skeleton["head"][:N_KEYPOINTS]]) * 1.4 + .03


def keypoints(heads, camera, size, depth):
    """(68,3): x, y, visibility. `depth` (68,) m is the flesh over each."""
    points, z = project(heads[:N_KEYPOINTS], camera)
    inside = ((points >= 0) & (points < size)).all(1) & (z > 0)
    eye = -camera["R"].T @ camera["t"]
    graph = bpy.context.evaluated_depsgraph_get()
    seen = [2 if inside[k] and not hidden(graph, eye, heads[k], depth[k]) else int(inside[k]) for k in range(N_KEYPOINTS)]
    return np.concatenate([np.where(inside[:, None], points, 0), np.array(seen)[:, None]], 1)


def hidden(graph, eye, point, depth):
    away = point - eye
    far = np.linalg.norm(away)
    hit, place, *_ = bpy.context.scene.ray_cast(graph, Vector(eye), Vector(away / far), distance=far)
    return hit and far - np.linalg.norm(np.array(place) - eye) > depth


def box(vertices, camera, size):
    """[x, y, width, height] px around the horse's skin, cut at the picture's edges; zeros where nothing is left."""
    points, z = project(vertices, camera)
    points = points[z > 0]
    if len(points) == 0:
        return [0.0] * 4
    low, high = np.clip(points.min(0), 0, size), np.clip(points.max(0), 0, size)
    return [*map(float, low), *map(float, high - low)]
