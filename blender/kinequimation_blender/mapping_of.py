# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Rigify rig says about itself: the tree of its DEF bones, and which of its controls move them."""
import json

import numpy as np

from .files import ClipError
from .retarget import ancestors, dependencies, read_mapping

MECHANISM = ("DEF-", "ORG-", "MCH-", "VIS_", "WGT-")


def skeleton(rig):
    """The rig's DEF bones as a skeleton file has them: names without DEF-, parents before children, rest pose in the armature's space."""
    bones = [b for b in rig.data.bones if b.name.startswith("DEF-")]
    if not bones:
        raise ClipError(f"Expected a rig with DEF bones, but {rig.name} has none. Generate it with Rigify.")
    parent = {b.name: def_parent(rig, b) for b in bones}
    order = []
    while len(order) < len(bones):
        order += [b for b in bones if b.name not in {o.name for o in order} and (parent[b.name] is None or parent[b.name] in {o.name for o in order})]
    names = [b.name for b in order]
    return {"names": [n.removeprefix("DEF-") for n in names], "parents": [names.index(parent[n]) if parent[n] else -1 for n in names],
            "head": np.array([b.head_local for b in order]), "tail": np.array([b.tail_local for b in order]), "matrix_local": np.array([b.matrix_local for b in order])}


def def_parent(rig, bone):
    """The DEF bone above: its parent, or that of the nearest ORG bone above it."""
    above = bone.parent
    while above is not None:
        name = above.name if above.name.startswith("DEF-") else "DEF-" + above.name.removeprefix("ORG-") if above.name.startswith("ORG-") else ""
        if name != bone.name and name in rig.data.bones:
            return name
        above = above.parent
    return None


def tree(rig):
    """Bones with rest pose, and edges (parent, child), as JSON has them."""
    own = skeleton(rig)
    bones = [{"name": n, "parent": p, "head": np.round(own["head"][i], 6).tolist(), "tail": np.round(own["tail"][i], 6).tolist()}
             for i, (n, p) in enumerate(zip(own["names"], own["parents"]))]
    return {"format": "kinequimation-edges", "version": 1, "rig": rig.name, "bones": bones,
            "edges": [[own["names"][p], n] for n, p in zip(own["names"], own["parents"]) if p >= 0]}


def mapping(rig):
    """A mapping for a rig that Rigify generated.

    The horse's own rows as far as the rig has their control and bone; and for bones that none of these moves the control of
    the bone's own name, or its FK control, turned as the bone is.
    """
    if "rig_id" not in rig.data:
        raise ClipError(f"Expected a rig that Rigify generated, but {rig.name} isn't one. For any other, propose_mapping.py makes a mapping.")
    known, own = read_mapping(), skeleton(rig)
    has = lambda row: row["control"] in rig.pose.bones and {row["bone"], *row.get("plane", [])} <= set(own["names"])
    rows = [row for row in known["controls"] if has(row)]
    mine = {row["control"] for row in rows}
    for name in unmoved(rig, own, {"controls": rows}, direct=True):
        control = next((c for c in candidates(name) if c in rig.pose.bones and c not in mine), None)
        if control:
            rows.append({"control": control, "bone": name, "channels": ["rotation"], **({"limb": "FK"} if "_fk" in control else {})})
            mine.add(control)
    root = dict(known["root"])
    if not has(root) or root["towards"] not in own["names"]:
        if "root" not in rig.pose.bones:
            raise ClipError(f"Expected the rig {rig.name} to have the control root, but it hasn't.")
        spine = [n for n in own["names"] if n.startswith("spine")] or own["names"]
        root.update(control="root", bone=spine[0], towards=spine[-1])
    return {"format": "kinequimation-mapping", "version": 1, "rig": rig.name if not has(known["root"]) else known["rig"], "root": root,
            "properties": properties(rig), "controls": rows}


def candidates(bone):
    """Names that Rigify gives the control of a bone: itself, its FK control."""
    stem, dot, side = bone.partition(".")
    return [bone, f"{stem}_fk{dot}{side}"]


def properties(rig):
    """IK without stretching and without pole targets, for every limb that has the choice; in the rig's order."""
    wanted = {"IK_FK": 0.0, "IK_Stretch": 0.0, "pole_vector": False}
    limbs = sorted((b for b in rig.pose.bones if "IK_FK" in b), key=lambda b: (b.name[-1], -b.bone.head_local.y))
    return [[b.name, prop, value] for b in limbs for prop, value in wanted.items() if prop in b]


def unmoved(rig, own, rows, direct=False):
    """The skeleton's bones that hang on no control of the mapping; with `direct`, those that no row names."""
    if direct:
        named = {row["bone"] for row in rows["controls"]}
        return [n for n in own["names"] if n not in named]
    above, controls = dependencies(rig), {row["control"] for row in rows["controls"]}
    return [n for n in own["names"] if not controls & ancestors("DEF-" + n, above)]


def text(mapping):
    """The mapping as JSON, a row a line: to be read and edited by people."""
    head = {k: v for k, v in mapping.items() if k not in ("properties", "controls")}
    lines = [f' {json.dumps(k)}: {json.dumps(v)}' for k, v in head.items()]
    lines += [f' {json.dumps(k)}: [\n' + ",\n".join("  " + json.dumps(row) for row in mapping[k]) + "\n ]" for k in ("properties", "controls")]
    return "{\n" + ",\n".join(lines) + "\n}\n"
