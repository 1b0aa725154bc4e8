# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigify's mechanism in numpy, for all frames at once: where a control is before it is keyed.

Blender needs milliseconds a frame for that, and once for every storey of controls. Here the same follows from where the controls and bones above
should be. Bones that hang on a solver (IK, stretching) are left to Blender: asking for one raises `Unknown`.
"""
import numpy as np

from .maths import blend, euler_xyz, from_euler_xyz, inverse, pure_rotation, rigid


class Unknown(Exception):
    """Only Blender can say where this bone is."""


class Mechanics:
    """`given`: bone -> (T,4,4) in the armature's space, where bones are that need no asking; `wanted`: control -> (T,4,4), where keys will put it.

    Of a control in `turned` the keys decide only how it is turned; one that is wanted but in neither set is no help to others.
    """

    def __init__(self, rig, given, wanted, turned, placed):
        self.bones, self.pose, self.length = rig.data.bones, rig.pose.bones, len(next(iter(given.values())))
        self.wanted, self.turned, self.placed, self.cache = wanted, turned, placed, dict(given)

    def at(self, bone):
        """Where the bone is, (T,4,4), keys included."""
        if bone not in self.cache:
            self.cache[bone] = self.keyed(bone) if bone in self.wanted else self.unkeyed(bone)
        return self.cache[bone]

    def keyed(self, bone):
        if bone in self.placed and bone in self.turned:
            return self.wanted[bone]
        if bone not in self.turned:
            raise Unknown(bone)
        try:
            return rigid(self.wanted[bone][:, :3, :3], self.unkeyed(bone)[:, :3, 3])
        except Unknown:
            return self.wanted[bone]  # turned as wanted, so whatever holds it is meant to be where it should

    def unkeyed(self, bone):
        """Where the bone is without a key of its own."""
        matrix = self.carried(bone)
        for constraint in self.pose[bone].constraints:
            if constraint.mute or constraint.influence == 0 or constraint.type in ("COPY_SCALE", "LIMIT_DISTANCE"):
                continue  # nothing here is scaled, nor stretched beyond its reach
            do = CONSTRAINTS.get(constraint.type)
            if do is None:
                raise Unknown(bone)
            made = do(self, bone, constraint, matrix)
            matrix = made if constraint.influence == 1 else blend(matrix, made, constraint.influence)
        return matrix

    def carried(self, bone):
        """Where the bone's parent alone puts it."""
        data = self.bones[bone]
        rest = np.array(data.matrix_local)
        if data.parent is None:
            return np.broadcast_to(rest, (self.length, 4, 4))
        if not data.use_inherit_rotation:
            raise Unknown(bone)
        return self.at(data.parent.name) @ inverse(np.array(data.parent.matrix_local)) @ rest

    def location_axes(self, bone, unkeyed):
        """(T,3,3) the axes along which a control's location is keyed."""
        data = self.bones[bone]
        return pure_rotation((unkeyed if data.use_local_location or data.parent is None else self.at(data.parent.name))[:, :3, :3])


def copy_transforms(rig, bone, constraint, matrix):
    target = constraint.subtarget
    if constraint.mix_mode != "REPLACE":
        raise Unknown(bone)
    if constraint.target_space == "LOCAL":
        return rig.carried(bone) @ inverse(rig.carried(target)) @ rig.at(target)
    return rig.at(target)


def copy_location(rig, bone, constraint, matrix):
    if constraint.target_space != "WORLD" or constraint.use_offset or not (constraint.use_x and constraint.use_y and constraint.use_z):
        raise Unknown(bone)
    target = rig.at(constraint.subtarget)
    return rigid(matrix[:, :3, :3], target[:, :3, 3] + constraint.head_tail * rig.bones[constraint.subtarget].length * target[:, :3, 1])


def copy_rotation(rig, bone, constraint, matrix):
    axes, target = [constraint.use_x, constraint.use_y, constraint.use_z], constraint.subtarget
    if constraint.mix_mode == "REPLACE" and all(axes):
        if constraint.target_space == "LOCAL":
            turned = rig.carried(bone) @ inverse(rig.carried(target)) @ rig.at(target)
        else:
            turned = rig.at(target)
        return rigid(turned[:, :3, :3], matrix[:, :3, 3])
    if constraint.mix_mode != "BEFORE" or constraint.target_space != "LOCAL":
        raise Unknown(bone)
    local = (inverse(rig.carried(target)) @ rig.at(target))[:, :3, :3]
    own = np.swapaxes(matrix[:, :3, :3], -1, -2) @ rig.wanted[bone][:, :3, :3] if bone in rig.wanted else np.broadcast_to(np.eye(3), local.shape)
    return rigid(matrix[:, :3, :3] @ shared(local, own, axes), matrix[:, :3, 3])


def shared(local, wanted, axes):
    """The share (T,3,3) of a rotation that Blender copies: of its Euler angles those about `axes`.

    Every rotation has two sets of such angles. Blender takes the set nearer to the copying bone's own angles, which
    are what is left of `wanted` once the share is taken off: so the set is the one that proves itself.
    """
    first = euler_xyz(local)
    second = np.stack([first[:, 0] + np.pi, np.pi - first[:, 1], first[:, 2] + np.pi], -1)
    shares = [from_euler_xyz(angles * axes) for angles in (first, second)]
    apart = []
    for share in shares:
        own = euler_xyz(np.swapaxes(share, -1, -2) @ wanted)
        distance = [np.abs(np.angle(np.exp(1j * (angles - own)))).sum(-1) for angles in (first, second)]
        apart.append(distance[0] <= distance[1])
    return np.where((apart[0] | apart[1])[:, None, None], *shares)


def armature(rig, bone, constraint, matrix):
    targets = [t for t in constraint.targets if t.weight > 0]
    if len(targets) != 1:
        raise Unknown(bone)
    held = targets[0].subtarget
    return rig.at(held) @ inverse(np.array(rig.bones[held].matrix_local)) @ matrix


CONSTRAINTS = {"COPY_TRANSFORMS": copy_transforms, "COPY_LOCATION": copy_location, "COPY_ROTATION": copy_rotation, "ARMATURE": armature}
