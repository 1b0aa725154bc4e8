# SPDX-License-Identifier: GPL-3.0-or-later
"""What a camera makes of light: lens, exposure, white balance, tone, grain, and now and then an old film or a bad copy.

A network that learns from flawless pictures learns their flawlessness. So each picture gets the faults of a camera that somebody might own, drawn once for a film and anew for each still.
The order is that of a real one: the lens blurs light, the sensor counts it (with noise), the electronics colour and compress it.
"""
import numpy as np

GREY = np.array([.2126, .7152, .0722], np.float32)  # luminance of linear sRGB (Rec. 709)
SEPIA = np.array([1.08, .98, .80], np.float32)


def draw_photo(rng):
    """The look of a picture, as JSON can hold it.

    blur, ev (stops), balance (gains of red, green, blue), contrast, black (lifted shadows), saturation, vignette, fringe (px of colour at edges), haze, grain, copy (share of the
    resolution that is left), tone (colour, grey or sepia), quality (of the JPEG).
    """
    n, u, often = rng.normal, rng.uniform, lambda p: bool(rng.random() < p)
    old = rng.random()
    tone = "grey" if old < .05 else "sepia" if old < .08 else "colour"
    warm, green = n(0, .07), n(0, .025)
    return dict(
        blur=round(u(.35, 1.1), 2) if often(.35) else 0.0, ev=round(float(np.clip(n(0, .45), -1.3, 1.2)), 2), balance=[round(float(g), 3) for g in np.exp([warm, green, -warm])],
        contrast=round(float(np.exp(n(.08, .2))), 3), black=round(u(0, .09), 3) if often(.3) else 0.0, saturation=round(float(np.clip(n(1.05, .25), .3, 1.8)), 2),
        vignette=round(u(.1, .5), 2) if often(.25) else 0.0, fringe=round(u(.15, .5), 2) if often(.15) else 0.0, haze=round(u(.04, .25), 2) if often(.1) else 0.0,
        grain=round(float(u(0, .02) if often(.85) else u(.02, .055)), 4), copy=round(u(.35, .8), 2) if often(.14) else 1.0, tone=tone, quality=int(rng.integers(45, 96)))


def develop(linear, look, grain_rng):
    """(h,w,3) uint8 sRGB from linear light (h,w,3) in which .18 is a middle grey."""
    light = np.clip(np.nan_to_num(np.asarray(linear, np.float32), nan=0., posinf=16.), 0, 16)
    h, w = light.shape[:2]
    if look["blur"]:
        light = blurred(light, look["blur"] * max(h, w) / 256)
    if look["fringe"]:
        light = fringed(light, look["fringe"])
    if look["haze"]:
        light = light + np.float32(look["haze"]) * (np.float32(.45) - light) * (light < .9)
    gain = np.asarray(look["balance"], np.float32) * np.float32(2 ** look["ev"])
    if look["vignette"]:
        gain = gain * (1 - look["vignette"] * from_middle(h, w)[..., None]).astype(np.float32)
    picture = toned(light * gain, look)
    if look["grain"]:
        picture = picture + grain(picture, look, grain_rng)
    if look["copy"] < 1:
        picture = copied(picture, look["copy"])
    return (np.clip(picture, 0, 1) * 255 + .5).astype(np.uint8)


def toned(light, look):
    """0..1 as the eye sees it: sRGB's curve with a shoulder instead of a clipped sky, contrast about middle grey, colours stronger or paler."""
    light = np.where(light > .7, .7 + .3 * np.tanh((light - .7) / .45), light)
    picture = np.where(light < .0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-6) ** np.float32(1 / 2.4) - .055).astype(np.float32)
    picture = np.float32(.46) + (picture - np.float32(.46)) * np.float32(look["contrast"])
    picture = look["black"] + (1 - look["black"]) * picture
    grey = (picture @ GREY)[..., None]
    if look["tone"] != "colour":
        return (grey * (SEPIA if look["tone"] == "sepia" else 1)).astype(np.float32) * np.ones(3, np.float32)
    return (grey + (picture - grey) * np.float32(look["saturation"])).astype(np.float32)


def grain(picture, look, rng):
    """Noise of the sensor, stronger in the shadows, or of old film, alike in all colours."""
    shape = picture.shape[:2] + ((3,) if look["tone"] == "colour" else (1,))
    return rng.standard_normal(shape, np.float32) * (np.float32(look["grain"]) * (1.25 - .6 * np.clip(picture.mean(-1, keepdims=True), 0, 1)))


def blurred(pixels, sigma):
    """A Gaussian of `sigma` px."""
    reach = max(1, int(np.ceil(2.5 * sigma)))
    weight = np.exp(-.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    weight /= weight.sum()
    for axis in (0, 1):
        padded = np.pad(pixels, [(reach, reach) if a == axis else (0, 0) for a in range(3)], "edge")
        n, out = pixels.shape[axis], 0
        for k, share in enumerate(weight):
            out = out + share * (padded[k:k + n] if axis == 0 else padded[:, k:k + n])
        pixels = out
    return pixels


def fringed(light, px):
    """Red and blue a little beside green, as cheap lenses have it."""
    out, share = light.copy(), np.float32(min(px, 1))
    out[:, 1:, 0] += share * (light[:, :-1, 0] - light[:, 1:, 0])
    out[:, :-1, 2] += share * (light[:, 1:, 2] - light[:, :-1, 2])
    return out


def from_middle(h, w):
    """(h,w): 0 in the middle, 1 in the corners, by the square of the distance."""
    y, x = np.ogrid[-1:1:h * 1j, -1:1:w * 1j]
    return (x * x + y * y) / 2


def copied(picture, share):
    """As if it had been made smaller and larger again: what many a film from the web went through."""
    h, w = picture.shape[:2]
    small = resampled(blurred(picture, .45 / share), max(8, round(h * share)), max(8, round(w * share)))
    return resampled(small, h, w)


def resampled(picture, h, w):
    """(h,w,3), bilinear."""
    for axis, n in ((0, h), (1, w)):
        have = picture.shape[axis]
        at = np.clip((np.arange(n) + .5) * have / n - .5, 0, have - 1)
        low = np.minimum(at.astype(int), have - 2)
        part = (at - low).astype(np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        picture = np.take(picture, low, axis) * (1 - part) + np.take(picture, low + 1, axis) * part
    return picture
