"""What a level ground loses to the object above it, next to what geometry says; and light that bounces in corners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from mlspatial.render import lighting
from mlspatial.render.engine import SceneBatch
from mlspatial.render.mesh import Environment, Material
from mlspatial.render.warp.assets import tone_map
from mlspatial.render.warp.blobs import BLOBS, blobs
from mlspatial.render.warp.engine import WarpRenderer
from tests.render.scenery import SIZE, covered, mesh_of, scenes, sphere, turn, uniform

BLACK, WHITE = Material((0.0, 0.0, 0.0), roughness=1.0), Material((1.0, 1.0, 1.0), roughness=1.0)
PIXELS = 2 * SIZE
FOCAL = PIXELS / 2 / np.tan(np.radians(30))
HEIGHT, CENTRE = 2.0, np.array([0.0, -0.9, 2.2])  # of the camera; of the ball from it, world axes
TABLE = tone_map(np.linspace(0.0, 8.0, 200_001)).astype(float)


def radiance(image: np.ndarray) -> np.ndarray:
    """What the tone map was given for these levels, in the middle of their steps."""
    levels = np.unique(TABLE)
    middle = [np.linspace(0.0, 8.0, 200_001)[level == TABLE].mean() for level in levels]
    return np.interp(image.astype(float), levels, middle)


def above_ground(mesh, environment: Environment) -> tuple[np.ndarray, np.ndarray, WarpRenderer]:
    """Share of its light that each pixel of the ground keeps (PIXELS, PIXELS), places on the ground (.., 3) in world
    axes from the camera, NaN where the ball or the sky is, and the renderer."""
    renderer = WarpRenderer([mesh], [environment], size=PIXELS)
    camera = turn(35.0, 0.0, 0.0)
    batch: SceneBatch = scenes(camera.T @ CENTRE, cameras=[camera])
    plain = radiance(renderer.render(batch).images[0])
    shaded = radiance(renderer.render(replace(batch, ground=np.array([HEIGHT]))).images[0])
    x, y = np.meshgrid(np.arange(PIXELS) + 0.5 - SIZE, SIZE - np.arange(PIXELS) - 0.5)
    rays = np.stack([x, y, np.full_like(x, FOCAL)], axis=-1) @ camera.T
    places = rays * (-HEIGHT / np.minimum(rays[..., 1], -1e-9))[..., None]
    places[(rays[..., 1] > -0.05 * FOCAL) | covered(renderer, batch)[0]] = np.nan
    return (shaded / plain).mean(axis=-1), places, renderer


def test_a_black_ball_hides_its_share_of_an_even_sky() -> None:
    """Nusselt: a ball of radius r at distance d hides cos r^2 / d^2 of what a level ground receives."""
    share, places, _ = above_ground(sphere(BLACK), uniform(0.5))
    away = CENTRE - places
    distance = np.linalg.norm(away, axis=-1)
    exact = 1.0 - away[..., 1] / distance * 0.25 / distance**2
    ground = np.isfinite(exact)
    assert exact[ground].min() < 0.9 < 0.99 < exact[ground].max()
    assert np.abs(share - exact)[ground].max() < 0.06 and np.abs(share - exact)[ground].mean() < 0.012


def test_a_white_ball_over_white_ground_hides_nothing() -> None:
    """All around is equally bright, the ball too: the white furnace, with a ground."""
    share, places, _ = above_ground(sphere(WHITE), uniform(0.5))
    assert np.abs(share - 1.0)[np.isfinite(places[..., 0])].max() < 0.02


@pytest.mark.parametrize("degrees", [1.5, 10.0])
def test_the_shadow_of_a_disc_of_light_is_as_soft_as_the_disc_is_wide(degrees: float) -> None:
    vectors = lighting.directions(256, 512)
    sun = np.array([0.3, 0.8, -0.3]) / np.linalg.norm([0.3, 0.8, -0.3])
    panorama = np.full((256, 512, 3), 0.02, np.float32)
    panorama[vectors @ sun > np.cos(np.radians(degrees))] = 1.0 / np.radians(degrees) ** 2
    share, places, renderer = above_ground(sphere(BLACK), Environment("disc", panorama))
    rng = np.random.default_rng(0)
    spread = np.radians(degrees) * np.sqrt(rng.random(400))
    around = rng.random(400) * 2 * np.pi
    side = np.cross(sun, [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    rays = sun + np.tan(spread)[:, None] * (
        np.cos(around)[:, None] * side + np.sin(around)[:, None] * np.cross(sun, side)
    )
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    away = CENTRE - places[::2, ::2]
    across = np.linalg.norm(np.cross(away[:, :, None], rays), axis=-1)
    lit = (across > 0.5).mean(axis=-1)  # no ray that passes within a radius of the ball's middle
    ground = np.isfinite(lit) & np.isfinite(away[..., 0])
    light = renderer._assets.light_irradiance.numpy()[0, 0] * sun[1] / np.pi
    ambient = renderer._assets.irradiance.numpy()[0, 0, 0]
    assert light > 3 * ambient
    distance = np.linalg.norm(away, axis=-1)
    sky = 1.0 - away[..., 1] * 0.25 / distance**3
    exact = (ambient * sky + light * lit) / (ambient + light)
    off = np.abs(share[::2, ::2] - exact)[ground]
    half = (lit > 0.1) & (lit < 0.9) & ground
    assert half.sum() > (20 if degrees < 5 else 200)  # there is a penumbra to look at
    assert off.mean() < 0.02 and np.quantile(off, 0.99) < 0.2
    assert np.abs(share[::2, ::2] - exact)[half].mean() < 0.12
    hard = np.abs((lit > 0.5) * light / (ambient + light) - lit * light / (ambient + light))[half].mean()
    if degrees > 5:  # a hard shadow would be further off
        assert np.abs(share[::2, ::2] - exact)[half].mean() < 0.6 * hard


def test_what_lies_below_the_ground_casts_no_shadow() -> None:
    """A ball wholly below the ground leaves it as it is."""
    renderer = WarpRenderer([sphere(BLACK)], [uniform(0.5)], size=SIZE)
    camera = turn(35.0, 0.0, 0.0)
    batch = scenes(camera.T @ np.array([0.0, -3.0, 2.0]), cameras=[camera])
    plain = renderer.render(batch).images
    assert np.array_equal(renderer.render(replace(batch, ground=np.array([2.0]))).images, plain)


def test_ground_changes_neither_the_object_nor_what_is_visible() -> None:
    renderer = WarpRenderer([sphere(), mesh_of(trimesh.creation.box())], [uniform(0.4)], size=SIZE)
    batch = scenes([(0.6, -0.5, 1.4), (0.0, 0.0, 1.5)], meshes=[0, 1])
    plain, shaded = renderer.render(batch), renderer.render(replace(batch, ground=np.full(2, 1.0)))
    assert np.array_equal(plain.visible, shaded.visible)
    mask = covered(renderer, batch)
    inner = mask[:, 1:-1, 1:-1] & mask[:, :-2, 1:-1] & mask[:, 2:, 1:-1] & mask[:, 1:-1, :-2] & mask[:, 1:-1, 2:]
    assert np.array_equal(plain.images[:, 1:-1, 1:-1][inner], shaded.images[:, 1:-1, 1:-1][inner])


@pytest.mark.parametrize("albedo", [0.2, 0.4, 0.6, 0.9])
@pytest.mark.parametrize("open_sky", [0.3, 0.6, 1.0])
def test_light_bounces_in_corners_as_in_an_even_cavity(albedo: float, open_sky: float) -> None:
    """A place that sees a share v of the sky, else surfaces like itself, has v / (1 - albedo (1 - v)) of the light."""
    material = Material((albedo,) * 3, roughness=1.0)
    seen = []
    for occlusion in (open_sky, 1.0):
        mesh = replace(sphere(material), occlusion=np.full(len(sphere().vertices), occlusion, np.float32))
        image = WarpRenderer([mesh], [uniform(0.5)], size=SIZE).render(scenes((0, 0, 1.5))).images[0]
        seen.append(radiance(image)[SIZE // 2, SIZE // 2, 0])
    expected = open_sky / (1.0 - albedo * (1.0 - open_sky))
    assert seen[0] / seen[1] == pytest.approx(expected, abs=0.04)


def test_blobs_hide_as_much_as_the_mesh() -> None:
    ball, box = trimesh.creation.icosphere(3), trimesh.creation.box(extents=(1, 0.3, 0.5)).subdivide().subdivide()
    for shape in (ball, box):
        made = blobs(shape.vertices, shape.faces, closed=True)
        assert made.shape == (BLOBS, 4) and (made[:, 3] > 0).all()
        point = shape.bounds[0] * [1, 0, 1] + [-0.8, shape.bounds[0][1] - 0.3, -0.6]
        rng = np.random.default_rng(1)
        rays = rng.normal(size=(20_000, 3))
        rays[:, 1] = np.abs(rays[:, 1])
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        if shape is ball:
            hit = (np.linalg.norm(np.cross(-point, rays), axis=1) < 1.0) & (rays @ -point > 0)
        else:
            near, far = np.sort([(bound - point) / rays for bound in box.bounds], axis=0)
            hit = np.maximum(near.max(axis=1), 0.0) < far.min(axis=1)
        exact = (hit * rays[:, 1]).sum() / rays[:, 1].sum()
        towards = made[:, :3] - point
        distance = np.linalg.norm(towards, axis=1)
        left = np.prod(1.0 - np.minimum(towards[:, 1] * made[:, 3] ** 2 / distance**3, 1.0))
        assert 1.0 - left == pytest.approx(exact, rel=0.35)
    flat = blobs(np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1.0]]), np.array([[0, 1, 2]]), closed=False)
    assert np.pi * (flat[:, 3] ** 2).sum() == pytest.approx(0.25)  # half of its area, averaged over directions
