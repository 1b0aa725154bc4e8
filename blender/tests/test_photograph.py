# SPDX-License-Identifier: GPL-3.0-or-later
"""Each picture has the faults of a camera that somebody might own: drawn from a seed, each doing what it says, and nothing else."""
import json

import numpy as np
import pytest
import blender_side  # noqa: F401 (where synth is)

from synth.photograph import blurred, develop, draw_photo, resampled

FLAWLESS = dict(blur=0., ev=0., balance=[1., 1., 1.], contrast=1., black=0., saturation=1., vignette=0., fringe=0., haze=0., grain=0., copy=1., tone="colour", quality=90)


def developed(linear, seed=0, **look):
    return develop(linear, FLAWLESS | look, np.random.default_rng(seed)).astype(float)


@pytest.fixture(scope="module")
def scene():
    """(96,128,3) linear: a bright sky over a darker, speckled ground."""
    light = np.random.default_rng(3).gamma(8., .02, (96, 128, 3)).astype(np.float32)
    light[:30] = [.5, .7, 1.4]
    light[0, :3] = [[-.1, 0, 0], [40, 40, 40], [0, 90, 0]]  # what denoisers and the sun's own disc give
    return light


@pytest.fixture(scope="module")
def looks():
    return [draw_photo(np.random.default_rng(i)) for i in range(1500)]


def test_a_seed_names_a_look_that_json_can_hold(looks):
    assert draw_photo(np.random.default_rng(7)) == looks[7] != looks[8]
    assert json.loads(json.dumps(looks)) == looks
    assert all(look.keys() == FLAWLESS.keys() for look in looks)


def test_most_pictures_are_as_good_as_most_cameras_make_them_and_a_few_are_not(looks):
    share = lambda bad: np.mean([bad(look) for look in looks])
    assert .03 < share(lambda look: look["tone"] != "colour") < .15
    assert .03 < share(lambda look: abs(look["ev"]) > .8) < .2
    assert share(lambda look: max(look["balance"]) > 1.25) < .05, "strong tints are rare"
    assert .05 < share(lambda look: look["copy"] < 1) < .3 and min(look["copy"] for look in looks) < .45
    assert all(40 <= look["quality"] <= 96 and .3 <= look["saturation"] <= 1.8 for look in looks)


def test_whatever_is_drawn_gives_a_picture(scene, looks):
    for i, look in enumerate(looks[:60]):
        before = scene.copy()
        made = develop(scene, look, np.random.default_rng(i))
        assert made.dtype == np.uint8 and made.shape == scene.shape
        assert 12 < made.mean() < 243 and made.std() > 4, f"nothing is to be seen with {look}"
        np.testing.assert_array_equal(scene, before, "the light itself stays as it was")
        np.testing.assert_array_equal(made, develop(scene, look, np.random.default_rng(i)))


@pytest.mark.parametrize("shape", [(256, 256), (54, 96), (33, 21), (9, 8)])
def test_any_size_of_picture(shape):
    look = FLAWLESS | dict(blur=1., vignette=.3, fringe=.4, haze=.1, grain=.02, copy=.4, tone="sepia")
    assert develop(np.full((*shape, 3), .2, np.float32), look, np.random.default_rng(0)).shape == (*shape, 3)


def test_middle_grey_is_srgbs_and_no_light_is_too_strong():
    assert developed(np.full((4, 4, 3), .18)).mean() == pytest.approx(118, abs=1)
    ramp = developed(np.repeat(np.array([0, .001, .01, .1, .5, .9, 1.5, 4, 100, np.inf])[None, :, None], 3, 2))[0, :, 0]
    assert ramp[0] == 0 and ramp[-1] >= 250 and (np.diff(ramp) >= 0).all(), "more light is never darker"
    assert developed(np.full((4, 4, 3), -1.)).max() == 0, "what a denoiser made negative is black"


def test_a_stop_more_is_brighter_and_a_warm_balance_redder(scene):
    plain = developed(scene)
    assert developed(scene, ev=1.).mean() > plain.mean() + 15 > developed(scene, ev=-1.).mean() + 30
    warm = developed(scene, balance=[1.2, 1., .8])[30:] - plain[30:]
    assert warm[..., 0].mean() > 3 and abs(warm[..., 1]).max() == 0 and warm[..., 2].mean() < -3


def test_contrast_black_haze_and_saturation(scene):
    plain = developed(scene)
    assert developed(scene, contrast=1.3).std() > plain.std() * 1.1
    assert developed(scene, black=.08).min() >= 20 and developed(scene, haze=.25).std() < plain.std()
    colourful = lambda picture: np.ptp(picture, axis=-1).mean()
    assert colourful(developed(scene, saturation=.4)) < .6 * colourful(plain) < .6 * colourful(developed(scene, saturation=1.4))


def test_old_films_have_no_colours_of_their_own(scene):
    grey, brown = developed(scene, tone="grey", grain=.03), developed(scene, tone="sepia")
    assert np.ptp(grey, axis=-1).max() == 0, "film's grain is alike in all colours"
    assert (brown[..., 0] >= brown[..., 1]).all() and (brown[..., 1] >= brown[..., 2]).all() and (brown[..., 0] - brown[..., 2]).mean() > 10


def test_grain_is_as_strong_as_it_says_stronger_in_the_shadows_and_new_in_each_picture():
    flat = lambda value, seed: developed(np.full((128, 128, 3), value), seed, grain=.03)
    dark, bright = flat(.05, 0), flat(.5, 0)
    assert .75 < np.std(flat(.18, 0)) / (255 * .03) < 1.3
    assert np.std(dark) > 1.15 * np.std(bright) and abs(dark.mean() - developed(np.full((4, 4, 3), .05)).mean()) < 1, "noise does not brighten"
    other = flat(.05, 1)
    assert (dark != other).mean() > .8 and abs(np.corrcoef(dark.ravel(), other.ravel())[0, 1]) < .03


def test_blur_spreads_light_and_loses_none_and_grows_with_the_picture():
    point = np.zeros((41, 41, 3), np.float32)
    point[20, 20] = 1
    soft = blurred(point, 1.5)
    assert soft.sum() == pytest.approx(3, rel=1e-4)
    x = np.arange(41) - 20
    assert np.sqrt((soft[..., 0].sum(0) * x ** 2).sum()) == pytest.approx(1.5, rel=.06)
    np.testing.assert_allclose(soft, soft.transpose(1, 0, 2), atol=1e-7)
    edge = lambda n: np.repeat((np.arange(n) >= n // 2)[None, :, None], n, 0) * np.full(3, .6, np.float32)
    steepest = lambda n: np.diff(developed(edge(n), blur=1.)[n // 2, :, 0]).max()
    assert steepest(512) < .75 * steepest(256)


def test_vignettes_darken_corners_alone():
    made = developed(np.full((65, 97, 3), .3), vignette=.4)[..., 1]
    assert made[32, 48] == developed(np.full((4, 4, 3), .3))[0, 0, 1]
    assert made[0, 0] < made[32, 48] - 20 and np.ptp([made[0, 0], made[0, -1], made[-1, 0], made[-1, -1]]) == 0


def test_fringes_move_red_and_blue_apart_and_leave_green(scene):
    plain, fringed = developed(scene), developed(scene, fringe=.5)
    np.testing.assert_array_equal(plain[..., 1], fringed[..., 1])
    assert abs(plain[40:, 1:-1, [0, 2]] - fringed[40:, 1:-1, [0, 2]]).mean() > 1


def test_a_copy_has_lost_what_is_fine_and_stays_where_it_was():
    y, x = np.mgrid[:96, :96]
    coarse = .2 + .1 * np.sin(x / 9.) * np.cos(y / 11.)
    fine = coarse + .15 * ((x + y) % 2 - .5)
    shown = lambda field, share: developed(np.repeat(field[..., None], 3, 2).astype(np.float32), copy=share)[..., 0]
    assert np.std(shown(fine, .4) - shown(coarse, 1.)) < .15 * np.std(shown(fine, 1.) - shown(coarse, 1.))
    inner = np.s_[8:-8, 8:-8]
    assert abs(shown(coarse, .4) - shown(coarse, 1.))[inner].max() < 6, "no shift: labels stay exact"


def test_resampling_keeps_straight_lines_straight():
    line = np.linspace(0, 1, 40)[None, :, None] * np.ones((30, 1, 3))
    made = resampled(line.astype(np.float32), 60, 80)
    np.testing.assert_allclose(np.diff(made[30, 2:-2, 0]), 1 / 78, atol=1e-5)
