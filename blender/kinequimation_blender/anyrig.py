# SPDX-License-Identifier: GPL-3.0-or-later
"""Any other four-legged armature: a mapping proposed from names and geometry, and a clip retargeted by it.

A row of the mapping says from which of the horse's joints to which a bone reaches: `{"bone": "FrontUpperLeg.L", "from": "upper_arm.L", "to": "forefoot.L"}`.
However many bones the other's leg has, each turns as the line between those joints of the horse does.
"""
import json
import re
from pathlib import Path

import bpy
import numpy as np

from . import keys, proportions, reduction
from .files import ClipError
from .maths import continuous, inverse, matrix_to_quat, posed, pure_rotation, rigid, swing
from .retarget import check_free, unit
from .slices import drained

SPINE = ["spine.001", "spine.002", "spine.003", "spine.004", "spine.005", "spine.006", "neck.001", "neck.002", "neck.003", "neck.004", "head"]
TAIL = [f"tail.00{i}" for i in range(1, 6)]
CHAINS = {"hind": ["pelvis", "thigh", "lower_leg", "hind_foot", "r_toe", "r_hoof"], "fore": ["shoulder", "upper_arm", "forearm", "forefoot", "f_toe", "f_hoof"]}
NAMES = {"head": r"head|skull", "neck": r"neck", "tail": r"tail", "spine": r"spine|torso|back|hips?\b|pelvis|chest|body|abdomen|ribs?", "shoulder": r"shoulder|scapula|clavicle",
         "upper_arm": r"upper.?(arm|leg)|humerus", "thigh": r"thigh|femur|upper.?leg", "forearm": r"fore.?arm|radius|lower.?arm", "lower_leg": r"shin|calf|tibia|lower.?leg",
         "forefoot": r"hand|carpus|cannon", "hind_foot": r"foot|hock|cannon", "f_hoof": r"hoof|toe|paw|finger|^ff", "r_hoof": r"hoof|toe|paw|^ffb"}
LEG = r"leg|arm|thigh|shin|calf|foot|hoof|paw|toe|hand|shoulder|femur|tibia"
HELPERS = r"pole|target|ctrl|control|_end$"


# Proposing

def propose(armature):
    """A mapping for the armature, as a dict to be written, looked at and mended; raises `ClipError` that says what it did not find."""
    body = Body(armature)
    rows = body.spine_rows()
    for side in "LR":
        for end in CHAINS:
            rows += body.leg_rows(end, side)
    rows += body.tail_rows() + body.ear_rows()
    return {"format": "kinequimation-any-rig", "version": 1, "armature": armature.name, "forward": [round(float(x), 4) for x in body.forward], "bones": rows}


class Body:
    """An armature at rest, in the world: where it looks, what is its middle line, what are its legs."""

    def __init__(self, armature):
        world = np.array(armature.matrix_world)
        self.armature, self.bones = armature, {b.name: b for b in armature.data.bones if not re.search(HELPERS, b.name, re.I)}
        self.head = {n: (world @ np.append(np.array(b.head_local), 1))[:3] for n, b in self.bones.items()}
        self.skull = self.named("head")
        self.forward = self.facing()
        self.left = np.cross([0, 0, 1], self.forward)
        self.size = max(np.ptp(np.array(list(self.head.values())), 0))
        self.middle = self.line(self.skull)
        self.height = float(np.median([self.head[n][2] for n in self.middle]))
        self.legs = self.find_legs()

    def named(self, what):
        found = [n for n in self.bones if re.search(NAMES[what], n, re.I)]
        if not found:
            raise ClipError(f"Expected a bone that is called {what} in the armature {self.armature.name}, but there is none. Write the mapping by hand, with one made for another animal as the pattern.")
        return min(found, key=lambda n: (len(n), n))

    def facing(self):
        """Horizontal, to one of the four sides: from the middle of all bones to the head."""
        away = self.head[self.skull] - np.median(list(self.head.values()), 0)
        axis = int(np.abs(away[:2]).argmax())
        return np.eye(3)[axis] * np.sign(away[axis])

    def line(self, bone):
        """From the first bone of the trunk to the head: the head's ancestors, but for what lies below them all and carries nothing of the trunk."""
        line = [bone]
        while self.bones[line[0]].parent is not None and self.bones[line[0]].parent.name in self.bones:
            line.insert(0, self.bones[line[0]].parent.name)
        height = np.median([self.head[n][2] for n in line])
        while len(line) > 3 and self.head[line[0]][2] < 0.6 * height:
            line.pop(0)
        if len(line) < 3:
            raise ClipError(f"Expected a spine that ends at the head {bone}, but only {', '.join(line)} lead there. Write the mapping by hand.")
        return line

    def across(self, name):
        return float(self.head[name] @ self.left)

    def along(self, name):
        return float(self.head[name] @ self.forward)

    def side(self, name):
        return "L" if self.across(name) > 0 else "R"

    def find_legs(self):
        """(end, side) -> bones from the top down: chains that leave the middle line and come low, and feet that stand free below them."""
        aside = {n for n in self.bones if abs(self.across(n)) > 0.01 * self.size}
        ends = [n for n in aside if not any(c.name in aside for c in self.bones[n].children)]
        chains = []
        for end in ends:
            chain = [end]
            while self.bones[chain[0]].parent is not None and self.bones[chain[0]].parent.name in aside:
                chain.insert(0, self.bones[chain[0]].parent.name)
            if self.head[chain[-1]][2] < 0.75 * self.height:
                chains.append(chain)
        hung = [c for c in chains if self.holder(c[0]) in self.bones]
        free = [c for c in chains if c not in hung]
        if not hung:
            raise ClipError(f"Expected legs in the armature {self.armature.name}, but no bones go down from its spine. Write the mapping by hand.")
        border = np.mean([min(self.along(c[0]) for c in hung), max(self.along(c[0]) for c in hung)])
        legs = {}
        for chain in sorted(hung, key=lambda c: (-len(c), self.head[c[-1]][2])):
            legs.setdefault(("fore" if self.along(chain[0]) > border else "hind", self.side(chain[-1])), list(chain))
        for chain in free:  # such feet are led by IK in the game's own file
            key = ("fore" if self.along(chain[0]) > border else "hind", self.side(chain[-1]))
            if key in legs and self.head[chain[0]][2] < self.head[legs[key][-1]][2]:
                legs[key] += chain
        missing = [f"{end} {side}" for end in CHAINS for side in "LR" if (end, side) not in legs]
        if missing:
            raise ClipError(f"Expected four legs in the armature {self.armature.name}, but found no {missing[0]} one. Write the mapping by hand.")
        return legs

    def holder(self, name):
        """The bone of the middle line that a chain hangs on, through whatever is between; or None if it hangs on none."""
        above = self.bones[name].parent
        while above is not None and above.name not in self.middle:
            above = above.parent
        return above.name if above is not None else None

    def spine_rows(self):
        ours = arc(own_heads(SPINE))
        theirs = arc([self.head[n] for n in self.middle])
        return rows_of(self.middle, assign(self.middle, theirs, SPINE, ours), SPINE)

    def leg_rows(self, end, side):
        chain = self.legs[end, side]
        ours = own_heads([f"{n}.{side}" for n in CHAINS[end]])[:, 2] / OWN_HEIGHT_M
        theirs = np.array([self.head[n][2] for n in chain]) / self.height
        rows = rows_of(chain, assign(chain, theirs, CHAINS[end], ours, least_first=True), CHAINS[end], "." + side)
        for upper, row in zip(chain, rows[1:]):
            parent = self.bones[row["bone"]].parent
            if parent is None or parent.name != upper:
                row["follows"] = upper
        return rows

    def tail_rows(self):
        found = [n for n in self.bones if re.search(NAMES["tail"], n, re.I)]
        tops = [n for n in found if self.bones[n].parent is None or self.bones[n].parent.name not in found]
        if not tops:
            return []
        chain = down(self.bones, tops[0], found)
        return rows_of(chain, assign(chain, arc([self.head[n] for n in chain]), TAIL, arc(own_heads(TAIL))), TAIL)

    def ear_rows(self):
        rows = []
        for side in "LR":
            found = [n for n in self.bones if re.search(r"ear", n, re.I) and not re.search(LEG, n, re.I) and self.side(n) == side]
            tops = [n for n in found if self.bones[n].parent is None or self.bones[n].parent.name not in found]
            if tops:
                rows.append({"bone": tops[0], "from": f"ear.{side}"})
        return rows


OWN = None
OWN_HEIGHT_M = 1.45


def own_heads(names):
    """(n,3) m: the horse's joints at rest."""
    global OWN
    if OWN is None:
        from .files import find_skeleton, read_skeleton
        OWN = read_skeleton(find_skeleton())
    return OWN["head"][[OWN["names"].index(n) for n in names]]


def arc(points):
    """How far along a line each of its points is, 0 to 1."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(np.array(points), axis=0), axis=-1))])
    return length / max(length[-1], 1e-9)


def down(bones, top, among):
    chain = [top]
    while True:
        following = [c.name for c in bones[chain[-1]].children if c.name in among]
        if not following:
            return chain
        chain.append(following[0])


def assign(theirs, at, ours, own_at, bonus=0.08, least_first=False):
    """For each of their joints one of ours, never going back: the nearest along the way, with something off for a name that says so."""
    cost = np.abs(np.array(at)[:, None] - np.array(own_at)[None])
    for i, name in enumerate(theirs):
        for j, own in enumerate(ours):
            pattern = NAMES.get(own) or NAMES.get(own.partition(".")[0])
            cost[i, j] -= bonus * bool(pattern and re.search(pattern, name, re.I))
            cost[i, j] -= 5 * bonus * (plain(own) in plain(name))  # a skeleton that has the horse's own names
    total = np.full(cost.shape, np.inf)
    total[0], back = cost[0], np.zeros(cost.shape, int)
    strict = len(theirs) <= len(ours)
    for i in range(1, len(theirs)):
        for j in range(len(ours)):
            before = total[i - 1, :j if strict else j + 1]
            if len(before):
                back[i, j] = before.argmin()
                total[i, j] = cost[i, j] + before.min()
    path = [int(total[-1].argmin())]
    for i in range(len(theirs) - 1, 0, -1):
        path.insert(0, int(back[i, path[0]]))
    return path


def plain(name):
    return re.sub(r"[^a-z0-9]", "", name.lower())


def rows_of(bones, path, ours, side=""):
    rows = []
    for i, (bone, j) in enumerate(zip(bones, path)):
        row = {"bone": bone, "from": ours[j] + side}
        onward = [k for k in path[i + 1:] if k > j]
        if onward and i + 1 < len(path) and path[i + 1] > j + 1:
            row["to"] = ours[onward[0]] + side
        rows.append(row)
    return rows


# Files

def text(mapping):
    head = {k: v for k, v in mapping.items() if k != "bones"}
    return "{\n" + "".join(f" {json.dumps(k)}: {json.dumps(v)},\n" for k, v in head.items()) + ' "bones": [\n' + ",\n".join("  " + json.dumps(r) for r in mapping["bones"]) + "\n ]\n}\n"


def read(path, armature, skeleton):
    """A mapping file, held against the armature and the horse; raises `ClipError` that names the bone."""
    try:
        content = Path(path).read_text(encoding="utf-8")
    except (ValueError, OSError) as error:
        raise ClipError(f"Expected a mapping for any rig (JSON with forward and bones), but {path} is none: {error}. Let propose_mapping.py make one.") from None
    return parse(content, path, armature, skeleton)


def parse(content, path, armature, skeleton):
    """A mapping as text, which came from `path`, held against the armature and the horse."""
    try:
        mapping = json.loads(content)
        rows, forward = mapping["bones"], np.array(mapping["forward"], float)
        rows[0]["bone"], rows[0]["from"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ClipError(f"Expected a mapping for any rig (JSON with forward and bones), but {path} is none: {error}. Let propose_mapping.py make one.") from None
    for number, row in enumerate(rows):
        for key in ("bone", "from"):
            if key not in row:
                raise ClipError(f"Expected {key} in row {number} of {path}, but it isn't there.")
        for bone in [row["bone"]] + [row[k] for k in ("follows",) if k in row]:
            if bone not in armature.data.bones:
                raise ClipError(f"Expected the armature {armature.name} to have the bone {bone}, which {path} names, but it hasn't.")
        for joint in [row["from"]] + [row[k] for k in ("to",) if k in row]:
            if joint not in skeleton["names"]:
                raise ClipError(f"Expected {path} to name a bone of the horse for {row['bone']}, but got {joint}.")
    names = [row["bone"] for row in rows]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice:
        raise ClipError(f"Expected each bone once in {path}, but {twice} is there {names.count(twice)} times.")
    if forward.shape != (3,) or np.linalg.norm(forward[:2]) < 1e-6:
        raise ClipError(f"Expected forward in {path} to be a direction along the ground, such as [0, -1, 0], but got {mapping['forward']}.")
    return mapping


# Retargeting

def retarget(armature, skeleton, clip, mapping, frames, action_name, in_place=False, reduce=None):
    """`retargeting` at a stretch."""
    return drained(retargeting(armature, skeleton, clip, mapping, frames, action_name, in_place, reduce))


def retargeting(armature, skeleton, clip, mapping, frames, action_name, in_place=False, reduce=None):
    """Keys the armature's mapped bones so that it moves as the clip does; returns its bones as `own` dict, and where they should be (T,B,4,4), world.

    A generator, as `slices` has them.
    """
    check_free(armature)
    own, legs = target_of(armature, mapping, skeleton)
    wanted, root = motion(own, legs, skeleton, clip, mapping)
    yield 1, 3
    if in_place:
        line = np.linspace(root[0], root[-1], len(root)) if clip["meta"].get("loop") else line_of(root)
        wanted[..., :2, 3] -= (line[:, None] - line[:1, None])[..., :2]
    yield from writing(armature, own, wanted, mapping, frames, action_name, reduce)
    bpy.context.scene.frame_set(int(frames[0]))
    yield 3, 3
    return own, wanted


def motion(own, legs, skeleton, clip, mapping):
    """Where the bones should be (T,B,4,4), world, and the way (T,3) of the first: bones turned as the horse's are, height and pace scaled to the legs, feet planted."""
    forward = unit(np.array([*mapping["forward"][:2], 0.0]))
    facing = swing(np.array([0, -1.0, 0]), forward) if forward[1] < 0.999 else np.diag([-1.0, -1, 1])
    source = posed(skeleton, clip["rotation"], clip["root_location"])
    turn = turns(own, skeleton, source, mapping, facing)
    scale = leg_top(own, legs) / leg_top(skeleton, proportions.horse_legs(skeleton))
    first, joint = own["names"].index(mapping["bones"][0]["bone"]), skeleton["names"].index(mapping["bones"][0]["from"])
    root = scale * (source[:, joint, :3, 3] - skeleton["head"][joint]) @ facing.T + own["head"][first]
    contacts = np.asarray(clip["contacts"] if "contacts" in clip else proportions.find_contacts(proportions.tips(skeleton, source), clip["meta"]["fps"]), bool)
    root[:, :2] = root[0, :2] + stride(own, turn, root, contacts, legs) * (root[:, :2] - root[0, :2])
    return proportions.planted(own, turn, root, contacts, clip["meta"], legs), root


def stride(own, turn, root, contacts, legs):
    """What the way must be multiplied by so that planted feet stay where they are as nearly as these legs swing: other legs, other strides."""
    tip = proportions.tips(own, proportions.turned(own, turn, 0 * root), legs)[..., :2]
    swept, gone = np.diff(tip, axis=0), np.diff(root[:, None, :2], axis=0)
    planted = contacts[1:] & contacts[:-1]
    most = [(swept * gone).sum(-1)[planted[:, k], k].sum() / max((gone * gone).sum(-1)[planted[:, k], 0].sum(), 1e-12) for k in range(4) if planted[:, k].any()]
    covered = np.square(gone).sum() > 1e-4
    return float(np.clip(min(-x for x in most), 0.3, 1.5)) if most and covered else 1.0  # the legs that swing least: others can bend, none can stretch


def line_of(root):
    """(T,3) the steady way that a body covers, without its ups and downs within a stride."""
    time = np.arange(len(root))
    return np.stack([np.polyval(np.polyfit(time, root[:, k], min(2, len(root) - 1)), time) for k in range(3)], -1)


def target_of(armature, mapping, skeleton):
    """The armature as a skeleton in the world, of the bones below the first mapped one, with feet that stand free hung on their legs; and its legs."""
    world, bones, follows = np.array(armature.matrix_world), armature.data.bones, {r["bone"]: r["follows"] for r in mapping["bones"] if "follows" in r}
    first = mapping["bones"][0]["bone"]
    order, parents = [first], {first: None}
    while True:
        more = [(b.name, follows.get(b.name, b.parent.name if b.parent else None)) for b in bones if b.name not in parents]
        more = [(n, p) for n, p in more if p in parents]
        if not more:
            break
        for name, parent in more:
            order.append(name)
            parents[name] = parent
    lost = next((r["bone"] for r in mapping["bones"] if r["bone"] not in parents), None)
    if lost:
        raise ClipError(f"Expected {lost} to hang on {first}, the first bone of the mapping, but it doesn't. Say on what it hangs with follows.")
    rest = world @ np.array([bones[n].matrix_local for n in order])
    rest = rigid(pure_rotation(rest[..., :3, :3]), rest[..., :3, 3])
    tail = np.array([bones[n].tail_local for n in order]) @ world[:3, :3].T + world[:3, 3]
    own = {"names": order, "parents": [order.index(parents[n]) if parents[n] else -1 for n in order], "matrix_local": rest, "head": rest[:, :3, 3], "tail": tail}
    legs = legs_of(own, mapping)
    set_toes(own, legs, unit(np.array([*mapping["forward"][:2], 0.0])))
    return own, legs


def set_toes(own, legs, forward):
    """Where a foot touches the ground: below the last bone's joint and a little ahead. Game files do not say where their last bones end."""
    for leg in legs:
        joint = own["head"][leg["tip"]]
        own["tail"][leg["tip"]] = joint + 0.5 * max(joint[2], 0) * forward - [0, 0, max(joint[2], 0)]
        leg["ground_m"] = float(own["tail"][leg["tip"]][2])


def legs_of(own, mapping):
    """For `proportions.plant`: each leg's bones from hip or shoulder joint down, the last of which keeps its slope."""
    legs = []
    for leg in proportions.LEGS.values():
        rows = [r for r in mapping["bones"] if r["from"] in leg]
        rows.sort(key=lambda r: leg.index(r["from"]))
        if len(rows) < 3:
            raise ClipError(f"Expected the mapping to name at least three bones from {leg[0]} down to {leg[-1]}, but it names {len(rows)}. Add them.")
        index = [own["names"].index(r["bone"]) for r in rows]
        held = next((i for i, r in enumerate(rows) if i > 1 and r["from"] in leg[3:]), len(rows) - 1)
        legs.append({"turns": [[i] for i in index[:held]], "holds": index[held], "tip": index[-1], "ground_m": 0.0})
    return legs


def leg_top(skeleton, legs):
    return float(np.mean([skeleton["head"][leg["turns"][0][0]][2] for leg in legs]))


def turns(own, skeleton, source, mapping, facing):
    """(T,B,3,3) how each bone is turned from rest, in the world: as the horse's bone, or as the line between two of its joints; others as what holds them."""
    rows, index = {r["bone"]: r for r in mapping["bones"]}, {n: i for i, n in enumerate(skeleton["names"])}
    rest = skeleton["matrix_local"]
    out = np.empty((len(source), len(own["names"]), 3, 3))
    for b, (name, parent) in enumerate(zip(own["names"], own["parents"])):
        if name not in rows:
            out[:, b] = out[:, parent]
            continue
        a = index[rows[name]["from"]]
        turn = source[:, a, :3, :3] @ rest[a, :3, :3].T
        if "to" in rows[name]:
            z = index[rows[name]["to"]]
            turn = swing(turn @ unit(rest[z, :3, 3] - rest[a, :3, 3]), unit(source[:, z, :3, 3] - source[:, a, :3, 3])) @ turn
        out[:, b] = facing @ turn @ facing.T
    return out


def writing(armature, own, wanted, mapping, frames, action_name, reduce):
    """Keys: how mapped bones are turned, and where those are that no mapped bone holds."""
    world = np.array(armature.matrix_world)
    turn, scale = pure_rotation(world[:3, :3]), float(np.cbrt(np.linalg.det(world[:3, :3])))
    where_held = placed(mapping)
    pose = {n: rigid(turn.T @ wanted[:, i, :3, :3], ((wanted[:, i, :3, 3] - world[:3, 3]) @ turn) / scale) for i, n in enumerate(own["names"])}
    forget_pose(armature)
    bag, curves = keys.new_action(armature, action_name), keys.Curves(frames)
    for name in [n for n in own["names"] if n in {r["bone"] for r in mapping["bones"]}]:
        bone = armature.data.bones[name]
        rest = np.array(bone.matrix_local)
        if bone.parent is None:
            held = np.broadcast_to(rest, (len(frames), 4, 4))
        else:
            above = np.array(bone.parent.matrix_local)
            held = pose.get(bone.parent.name, np.broadcast_to(above, (len(frames), 4, 4))) @ inverse(above) @ rest
        basis = inverse(held) @ pose[name]
        armature.pose.bones[name].rotation_mode = "QUATERNION"
        curves.set(name, "rotation_quaternion", continuous(matrix_to_quat(basis[:, :3, :3])))
        if name in where_held:
            curves.set(name, "location", basis[:, :3, 3])
    yield 2, 3
    if reduce:
        yield from reduction.writing(curves, bag, armature, (reduce[0] / scale, reduce[1]))
    else:
        curves.write(bag)


def placed(mapping):
    """The bones whose place is keyed as well as their turn: the first, which carries the animal, and those that no mapped bone holds."""
    return {r["bone"] for r in mapping["bones"] if "follows" in r} | {mapping["bones"][0]["bone"]}


def forget_pose(armature):
    """Bones without keys of ours are at rest: what an action of before left on them, or another track adds, would move those that hang on them."""
    for track in armature.animation_data.nla_tracks if armature.animation_data else []:
        track.mute = True
    for bone in armature.pose.bones:
        bone.matrix_basis.identity()
