# SPDX-License-Identifier: GPL-3.0-or-later
"""The renderer's promises: exact labels, a job that resumes, pictures without a horse, and a skin that suits every horse."""
import json

import numpy as np
import pytest
from blender_side import BLENDER, SKELETON
from kinequimation_blender import maths
from kinequimation_blender.files import read_skeleton

SIZE = 96
K = np.array([[110.0, 0, SIZE / 2], [0, 110, SIZE / 2], [0, 0, 1]])
R = np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]])  # from the horse's left, X towards the camera: its head is on the picture's left
EYE = np.array([4.5, 0.1, 1.1])


@pytest.fixture(scope="module")
def rendered(child, clip_path, tmp_path_factory):
    """(folder, jobs file, what the child printed): two frames of a horse, one of the same place without it."""
    out = tmp_path_factory.mktemp("rendered")
    camera = {"K": K.tolist(), "R": R.tolist(), "t": (-R @ EYE).tolist()}
    job = dict(out=str(out), skeleton=str(SKELETON), clip=str(clip_path), frames=[0, 3], names=["a", "b"], camera=camera, size=[SIZE, SIZE], seed=4, samples=1, horse=True)
    jobs = out / "jobs.jsonl"
    jobs.write_text("\n".join(json.dumps(j) for j in (job, {**job, "frames": [0], "names": ["empty"], "horse": False})))
    return out, jobs, render(child, jobs)


def render(child, jobs):
    done = child(BLENDER / "synth/render.py", jobs, "--skeleton", SKELETON, "--cache", jobs.parent / "cache")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def label(out, stem):
    return json.loads((out / "labels" / f"{stem}.json").read_text())


def test_keypoints_are_the_clips_joints_seen_by_the_camera(rendered, clip, skeleton):
    for stem, frame in (("a", 0), ("b", 3)):
        made = label(rendered[0], stem)
        heads = maths.posed(skeleton, clip["rotation"][[frame]], clip["root_location"][[frame]])[0, :, :3, 3]
        np.testing.assert_allclose(made["heads"], heads, atol=2e-5)
        seen = (heads - EYE) @ R.T
        expected = (seen @ K.T)[:68, :2] / seen[:68, 2:]
        points = np.array(made["keypoints"])
        inside = points[:, 2] > 0
        assert inside.sum() > 50
        np.testing.assert_allclose(points[inside, :2], expected[inside], atol=.01)
        x, y, w, h = made["bbox_xywh"]
        assert (points[inside, 0] > x - 2).all() and (points[inside, 0] < x + w + 2).all() and (points[inside, 1] < y + h + 2).all()


def test_the_far_eye_is_hidden_and_the_near_one_seen(rendered, skeleton):
    seen = np.array(label(rendered[0], "a")["keypoints"])[:, 2]
    assert seen[skeleton["names"].index("eye.R")] == 1
    assert seen[skeleton["names"].index("eye.L")] == 2
    assert seen[skeleton["names"].index("forefoot.L")] == 2


def test_a_place_without_a_horse_has_nothing_to_find(rendered):
    made = label(rendered[0], "empty")
    assert made["horse"] is False and made["bbox_xywh"] == [0] * 4 and not np.any(made["keypoints"])
    assert (rendered[0] / "images/empty.jpg").read_bytes() != (rendered[0] / "images/a.jpg").read_bytes()


def test_a_second_run_makes_only_what_is_missing(rendered, child):
    out, jobs, first = rendered
    assert first.count('"frame"') == 3
    before = {p.name: p.stat().st_mtime_ns for p in (out / "images").iterdir()}
    assert set(before) == {"a.jpg", "b.jpg", "empty.jpg"}, "nothing half made may stay"
    (out / "labels/b.json").unlink()
    assert render(child, jobs).count('"frame"') == 1
    assert {p.name for p in (out / "images").iterdir() if p.stat().st_mtime_ns != before[p.name]} == {"b.jpg"}
