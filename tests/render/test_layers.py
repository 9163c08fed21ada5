"""Clear coat, anisotropy and glass against optics worked out by hand, and as files state them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from mlspatial.render import lighting
from mlspatial.render.engine import Others, SceneBatch
from mlspatial.render.files.relief import with_tangents
from mlspatial.render.library.files import load_mesh
from mlspatial.render.mesh import Environment, Layers, Material, Mesh
from mlspatial.render.warp import layers as kept
from mlspatial.render.warp.assets import tone_map
from mlspatial.render.warp.engine import WarpRenderer
from tests.render.scenery import FOCAL, GREY, SIZE, lopsided, mesh_of, scenes, sphere, sunny, turn, uniform
from tests.render.test_model_files import BOX, CORNERS, picture, silently, textured, told, write_glb, write_obj

CLEAR = Material((1.0, 1.0, 1.0), 0.0, layers=Layers(transmission=1.0, solid=True))
SHEET = Material((1.0, 1.0, 1.0), 0.0, layers=Layers(transmission=1.0))


def fine(material: Material) -> Mesh:
    """A sphere of 80,000 triangles, whose normals turn evenly."""
    return mesh_of(trimesh.creation.icosphere(subdivisions=6), material)


def coloured() -> Environment:
    """Radiance that says the direction: red x, green y, blue z. No patch is much brighter than what is around it."""
    vectors = lighting.directions(256, 512)
    return Environment("coloured", (0.5 + 0.25 * vectors).astype(np.float32))


def drawn(mesh: Mesh, environment: Environment, position=(0, 0, 2.0), rotation=None) -> np.ndarray:
    renderer = WarpRenderer([mesh], [environment], size=SIZE)
    batch = scenes(position, rotations=None if rotation is None else [rotation])
    return np.asarray(renderer.render(batch).images[0]).astype(int)


def shown(radiance: np.ndarray, environment: Environment) -> np.ndarray:
    """Levels of a radiance of the panorama."""
    return np.asarray(tone_map(np.asarray(radiance) * lighting.exposure_of(environment.panorama)[0])).astype(int)


def snell(direction: np.ndarray, normal: np.ndarray, ratio: float) -> np.ndarray:
    """Vector form of Snell's law, normal against the direction."""
    cosine = -direction @ normal
    return ratio * direction + (ratio * cosine - np.sqrt(1 - ratio**2 * (1 - cosine**2))) * normal


def fresnel(cosine: float, ior: float) -> float:
    """Reflectance of unpolarised light, from the two polarisations' own formulas."""
    inner = np.sqrt(1 - (1 - cosine**2) / ior**2)
    s = (cosine - ior * inner) / (cosine + ior * inner)
    p = (inner - ior * cosine) / (inner + ior * cosine)
    return float((s**2 + p**2) / 2)


# ---- the same light as everywhere ----------------------------------------------------------------------------------
@pytest.mark.parametrize("material", [Material((0.7, 0.3, 0.2), 0.4), Material((0.9, 0.8, 0.6), 0.3, 1.0)])
@pytest.mark.parametrize("mesh", ["sphere", "lopsided"])
def test_layers_that_do_nothing_change_nothing(mesh: str, material: Material) -> None:
    plain = sphere(material) if mesh == "sphere" else lopsided()
    layered = replace(plain, materials=tuple(replace(m, layers=Layers()) for m in plain.materials))
    for environment in (sunny(), coloured()):
        one, other = (drawn(m, environment, rotation=turn(30, 40, 0)) for m in (plain, layered))
        assert np.abs(one - other).max() <= 1


LAYERS = {
    "coat": Layers(coat=1.0, coat_roughness=0.2),
    "half a coat": Layers(coat=0.5),
    "stretched": Layers(anisotropy=0.7, rotation=0.4),
    "solid": Layers(transmission=1.0, solid=True),
    "sheet": Layers(transmission=1.0),
    "half clear": Layers(transmission=0.5, solid=True, ior=1.3),
    "dense": Layers(ior=2.2),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("roughness", [0.0, 0.4])
@pytest.mark.parametrize("metalness", [0.0, 1.0])
def test_white_furnace(name: str, roughness: float, metalness: float) -> None:
    """A white thing in evenly white surroundings cannot be seen, whatever its layers."""
    mesh = with_tangents(sphere(Material((1.0, 1.0, 1.0), roughness, metalness, layers=LAYERS[name])))
    image = drawn(mesh, uniform())
    assert 100 < image[0, 0, 0] < 240 and np.abs(image - image[0, 0]).max() <= 4


# ---- glass ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ior", [1.2, 1.5, 2.0])
def test_a_ball_of_glass_shows_what_snell_says(ior: float) -> None:
    """Ray by ray through an exact ball: refracted in, refracted out, and Fresnel's share of the mirror image added."""
    environment, distance, radius = coloured(), 2.0, 0.5
    image = drawn(fine(replace(CLEAR, layers=Layers(transmission=1.0, ior=ior, solid=True))), environment)
    for column, row in ((48, 48), (56, 44), (40, 55), (62, 50), (48, 35)):
        x, y = column + 0.5 - SIZE / 2, SIZE / 2 - row - 0.5
        ray = np.array([x, y, FOCAL]) / np.linalg.norm([x, y, FOCAL])
        centre = np.array([0, 0, distance])
        along = ray @ centre
        near = along - np.sqrt(along**2 - distance**2 + radius**2)
        normal = (near * ray - centre) / radius
        inside = snell(ray, normal, 1 / ior)
        out = near * ray + 2 * radius * (-inside @ normal) * inside
        exit_ray = snell(inside, -(out - centre) / radius, ior)
        mirror = ray - 2 * (ray @ normal) * normal
        share = fresnel(-ray @ normal, ior)
        expected = share * (0.5 + 0.25 * mirror) + (1 - share) * (0.5 + 0.25 * exit_ray)
        np.testing.assert_allclose(image[row, column], shown(expected, environment), atol=4)


def test_a_sheet_lets_straight_through() -> None:
    """Both walls of a hollow ball, each with its own mirror image; F = .04 at normal incidence."""
    environment = coloured()
    image = drawn(fine(SHEET), environment)
    front, back = 0.5 - 0.25 * np.eye(3)[2], 0.5 + 0.25 * np.eye(3)[2]  # behind the camera, and ahead
    through = 0.04 * front + 0.96 * back  # the far wall mirrors what lies before it
    np.testing.assert_allclose(image[48, 48], shown(0.04 * front + 0.96 * through, environment), atol=3)


def test_absorption_is_beers_law() -> None:
    """Over a diameter, which is the longest axis: (1 - F) exp(-a) + F, F = .04, in even light."""
    absorption = (0.0, 0.5, 2.0)
    made = replace(CLEAR, layers=Layers(transmission=1.0, solid=True, absorption=absorption))
    image = drawn(fine(made), uniform())
    expected = 0.04 + 0.96 * np.exp(-np.array(absorption))
    np.testing.assert_allclose(image[48, 48], shown(expected, uniform()), atol=2)


def test_what_passes_has_the_tint_of_the_surface() -> None:
    made = replace(SHEET, color=(0.5, 0.8, 1.0))
    passes = 0.04 + 0.96 * np.array(made.color) * (0.04 + 0.96 * np.array(made.color))
    np.testing.assert_allclose(drawn(fine(made), uniform())[48, 48], shown(passes, uniform()), atol=2)
    tinted = replace(SHEET, color=(0.0, 0.0, 0.0), layers=replace(SHEET.layers, tint=(0.5, 0.8, 1.0)))
    np.testing.assert_allclose(drawn(fine(tinted), uniform())[48, 48], shown(passes, uniform()), atol=2)


def before(behind: float, glass: Material) -> np.ndarray:
    """A red box `behind` metres from the camera, and a ball of glass before it."""
    red = mesh_of(trimesh.creation.box(), Material((0.8, 0.02, 0.02), 1.0))
    others = Others(np.array([[1]]), np.array([[[0.0, 0.0, behind]]]), np.eye(3)[None, None], np.array([[1.0]]))
    batch = replace(scenes((0, 0, 1.2)), others=others)
    return np.asarray(WarpRenderer([sphere(glass), red], [uniform()], size=SIZE).render(batch).images[0]).astype(int)


@pytest.mark.parametrize("glass", [SHEET, CLEAR, replace(SHEET, roughness=0.2)], ids=["sheet", "solid", "rough"])
def test_another_object_is_seen_through_glass(glass: Material) -> None:
    there, away, opaque = before(2.5, glass), before(-9.0, glass), before(2.5, GREY)
    middle = (slice(44, 53), slice(44, 53))
    red = there[middle].reshape(-1, 3).mean(axis=0)
    assert red[0] > 2 * red[1] and np.ptp(opaque[middle].reshape(-1, 3).mean(axis=0)) < 5
    assert np.ptp(away[middle].reshape(-1, 3).mean(axis=0)) < 5


def test_a_far_side_of_the_same_object_is_seen_through_glass() -> None:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.2)
    pane = trimesh.creation.box((1.0, 1.0, 0.02), trimesh.transformations.translation_matrix((0, 0, 0.4)))
    both = trimesh.util.concatenate([pane, ball])
    mesh = mesh_of(both, Material((0.02, 0.6, 0.02), 1.0))
    kind = (np.arange(len(both.faces)) < len(pane.faces)).astype(np.int32)
    mesh = replace(mesh, materials=(mesh.materials[0], SHEET), face_material=kind)
    image = drawn(mesh, uniform())
    assert image[48, 48, 1] > 1.5 * image[48, 48, 0]
    assert np.ptp(image[48, 34]) < 4  # beside the ball: the pane, and white behind it


def test_rough_glass_blurs_what_is_behind() -> None:
    """The edge between a bright and a dark half of the surroundings, seen straight through a sheet."""
    vectors = lighting.directions(256, 512)
    halves = Environment("halves", np.repeat(np.where(vectors[..., :1] > 0, 0.9, 0.3), 3, axis=2).astype(np.float32))
    steps = []
    for roughness in (0.0, 0.2, 0.4):
        row = drawn(fine(replace(SHEET, roughness=roughness)), halves)[44:52, 40:57, 0].mean(axis=0)
        steps.append(np.abs(np.diff(row)).max())
    assert steps[0] > 30 and steps[0] > 3 * steps[1] > 4 * steps[2]


def light_on_the_ground(mesh: Mesh, off: float) -> float:
    """What a sunny ground keeps of its brightness where the sun's ray meets it that passes an object 1 m above the
    ground `off` to the right of its middle, as the camera looks down at it."""
    renderer = WarpRenderer([mesh], [sunny()], size=2 * SIZE)
    camera, height = turn(35.0, 0.0, 0.0), 2.0
    sun = renderer._light_direction[0]
    centre = np.array([0.0, 1.0 - height, 1.5])  # from the camera, world axes
    batch = scenes(camera.T @ centre, cameras=[camera])
    start = centre + [off, 0.0, 0.0]
    x, y, z = camera.T @ (start - sun * ((start[1] + height) / sun[1]))
    column, row = int(SIZE + 2 * FOCAL * x / z), int(SIZE - 2 * FOCAL * y / z)
    bare, there = (
        np.asarray(renderer.render(replace(batch, ground=np.array([g]))).images[0, row, column], float).sum()
        for g in (0.0, height)
    )
    return float(there / bare)


def test_glass_casts_a_shadow_where_it_bends_light() -> None:
    """Not a hollow ball, nor a pane; a solid ball does, but in its middle, where light passes straight on."""
    box = trimesh.creation.box((1.0, 0.6, 0.05))
    box.unmerge_vertices()
    pane = mesh_of(box)
    opaque = light_on_the_ground(sphere(), 0.25)
    assert opaque < 0.8
    assert light_on_the_ground(sphere(CLEAR), 0.25) < 0.85 and light_on_the_ground(sphere(CLEAR), 0.0) > 0.95
    assert light_on_the_ground(sphere(SHEET), 0.25) > 0.98
    assert light_on_the_ground(pane, 0.1) < 0.8
    assert light_on_the_ground(replace(pane, materials=(CLEAR,)), 0.1) > 0.98
    half = replace(SHEET, layers=Layers(transmission=0.4))  # more paint than glass
    assert light_on_the_ground(sphere(half), 0.25) < 0.9


# ---- coat and anisotropy -------------------------------------------------------------------------------------------
def test_a_coat_reflects_what_schlick_says() -> None:
    """A mirror over black, F0 = .04, in even light: .04 + .96 (1 - cos)^5, to the fit that the renderer uses."""
    black = Material((0.0, 0.0, 0.0), 0.9, 1.0)
    coated = drawn(fine(replace(black, layers=Layers(coat=1.0))), uniform())
    for column in (48, 60, 66):
        off = np.hypot(column + 0.5 - SIZE / 2, 0.5)
        sine = off * 2.0 / np.hypot(FOCAL, off) / 0.5
        expected = shown(np.full(3, 0.04 + 0.96 * (1 - np.sqrt(1 - sine**2)) ** 5), uniform())
        np.testing.assert_allclose(coated[48, column], expected, atol=5)
    assert drawn(fine(black), uniform())[48, 48:67].max() == 0


def test_a_coat_has_a_highlight_of_its_own() -> None:
    rough = Material((0.3, 0.02, 0.02), 0.9)
    plain, coated = (drawn(sphere(m), sunny()) for m in (rough, replace(rough, layers=Layers(coat=1.0))))
    brightest = np.unravel_index(np.argmax(coated.sum(axis=-1)), coated.shape[:2])
    assert coated[brightest].min() > 2 * plain[brightest].min()
    half = replace(rough, layers=Layers(coat=1.0, coat_roughness=0.5))
    assert drawn(sphere(half), sunny())[brightest].min() < coated[brightest].min()


@pytest.mark.parametrize(("rotation", "upright"), [(0.0, False), (np.pi / 2, True)])
def test_highlights_stretch_along_the_tangent(rotation: float, upright: bool) -> None:
    """Tangents run east over a ball: a small sun's highlight is wider than high; turned by a quarter, higher."""
    mesh = sphere(Material((0.9, 0.9, 0.9), 0.3, 1.0))
    x, _, z = mesh.normals.T
    east = np.stack([z, 0 * z, -x, 0 * z + np.hypot(x, z)], 1) / np.maximum(np.hypot(x, z), 1e-6)[:, None]
    vectors = lighting.directions(128, 256)
    dark = np.full((128, 256, 3), 0.05)
    dark[vectors @ [0, 0, -1.0] > np.cos(np.radians(2))] = 300.0  # behind the camera
    environment = Environment("lamp", dark.astype(np.float32))
    layered = replace(mesh, tangents=east.astype(np.float32))
    layered = replace(
        layered, materials=(replace(mesh.materials[0], layers=Layers(anisotropy=0.6, rotation=rotation)),)
    )
    bright = drawn(layered, environment)[..., 0].astype(float)
    bright = np.where(bright > 0.6 * bright.max(), 1.0, 0.0)
    rows, columns = np.nonzero(bright)
    assert (np.ptp(rows) > 1.5 * np.ptp(columns)) == upright
    assert (np.ptp(columns) > 1.5 * np.ptp(rows)) == (not upright)


# ---- beside each other ---------------------------------------------------------------------------------------------
def test_pictures_without_layers_do_not_see_those_beside_them() -> None:
    """Plain and layered images in turns, alone and with others: as drawn one by one."""
    meshes, environments = [sphere(), lopsided(), sphere(CLEAR)], [sunny()]
    mixed, plain = (WarpRenderer(m, environments, size=48, chunk=4) for m in (meshes, meshes[:2]))
    count = 9
    batch = scenes([(0.1, 0, 1.8)] * count, meshes=np.arange(count) % 3)
    others = Others(
        mesh=np.where(np.arange(count)[:, None] % 2, -1, np.arange(count)[:, None] % 3),
        position=np.tile([0.4, 0.3, 2.5], (count, 1, 1)),
        rotation=np.tile(np.eye(3), (count, 1, 1, 1)),
        scale=np.ones((count, 1)),
    )
    whole = mixed.render(replace(batch, others=others))
    for i in range(count):
        one = replace(scenes((0.1, 0, 1.8), meshes=[i % 3]), others=_row(others, i))
        np.testing.assert_array_equal(mixed.render(one).images[0], whole.images[i])
        if i % 3 != 2 and others.mesh[i, 0] != 2:
            alone = plain.render(one)
            np.testing.assert_array_equal(alone.images[0], whole.images[i])
            np.testing.assert_array_equal(alone.visible[0], whole.visible[i])


def _row(others: Others, i: int) -> Others:
    return Others(
        others.mesh[i : i + 1], others.position[i : i + 1], others.rotation[i : i + 1], others.scale[i : i + 1]
    )


def test_meshes_for_rays_are_kept_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_SOLIDS", 2)
    renderer = WarpRenderer([sphere(CLEAR)] * 5, [coloured()], size=32)
    batch = scenes([(0, 0, 2.0)] * 5, meshes=range(5))
    first = renderer.render(batch).images
    assert len(renderer._layers._solids) == 2
    np.testing.assert_array_equal(renderer.render(batch).images, first)
    assert isinstance(batch, SceneBatch) and (first == first[0]).all()


# ---- files ---------------------------------------------------------------------------------------------------------
def layers_of(file: Path) -> Layers:
    (material,) = silently(file).materials
    assert material.layers is not None
    return material.layers


def test_extensions_of_gltf(tmp_path: Path) -> None:
    """The square has a side of 2 units: absorption is -ln(color) / distance for a unit, twice that for all of it."""
    said = {
        "KHR_materials_clearcoat": {"clearcoatFactor": 0.5, "clearcoatRoughnessFactor": 0.25},
        "KHR_materials_anisotropy": {"anisotropyStrength": 0.75, "anisotropyRotation": 1.5},
        "KHR_materials_transmission": {"transmissionFactor": 0.875},
        "KHR_materials_ior": {"ior": 1.33},
        "KHR_materials_volume": {"thicknessFactor": 1, "attenuationColor": [1, 0.5, 0.25], "attenuationDistance": 4},
    }
    made = layers_of(write_glb(tmp_path / "a.glb", {"extensions": said}, extensionsRequired=list(said)))
    assert (made.coat, made.coat_roughness, made.anisotropy, made.rotation) == (0.5, 0.25, 0.75, 1.5)
    assert (made.transmission, made.ior, made.solid, made.tint) == (0.875, 1.33, True, None)
    np.testing.assert_allclose(made.absorption, 2 * np.log([1, 2, 4]) / 4, atol=1e-12)
    del said["KHR_materials_volume"]
    assert not layers_of(write_glb(tmp_path / "b.glb", {"extensions": said})).solid
    nothing = {"KHR_materials_clearcoat": {}, "KHR_materials_ior": {}, "KHR_materials_transmission": {}}
    assert silently(write_glb(tmp_path / "c.glb", {"extensions": nothing})).materials[0].layers is None


def test_textures_of_extensions_are_factors(tmp_path: Path) -> None:
    """Clear on the left, coated on the right: red is the transmission and the coat, green the coat's roughness."""
    for name, key, number, channel in (
        ("transmission", "transmissionTexture", "transmissionFactor", 0),
        ("clearcoat", "clearcoatTexture", "clearcoatFactor", 0),
    ):
        image = np.zeros((4, 8, 3), np.uint8)
        image[:, :4, channel] = 255
        said = {f"KHR_materials_{name}": {number: 0.5, key: {"index": 0}}}
        made = silently(write_glb(tmp_path / "a.glb", {"extensions": said}, image))
        middle = made.vertices[made.faces].mean(axis=1)[:, 0]
        value = "coat" if name == "clearcoat" else name
        found = np.array([getattr(m.layers, value) for m in made.materials])[made.face_material]
        assert (found[middle < -0.05] == 0.5).all() and (found[middle > 0.05] == 0.0).all()


def test_what_of_extensions_is_not_drawn_is_named(tmp_path: Path) -> None:
    coat = {"clearcoatFactor": 1, "clearcoatNormalTexture": {"index": 0}}
    said = {"KHR_materials_sheen": {}, "KHR_materials_clearcoat": coat}
    file = write_glb(tmp_path / "a.glb", {"extensions": said})
    assert told(load_mesh, file) == [f"{file}: drawn without KHR_materials_sheen, the clear coat's own normal map"]
    need = write_glb(tmp_path / "b.glb", {"extensions": {"KHR_materials_sheen": {}}}, extensionsRequired=[*said])
    assert told(load_mesh, need) == [f"{need}: drawn without KHR_materials_sheen"]


OPAQUE = (
    "illum 2\nd 0.1",
    "illum 4\nd 1",
    "illum 4\nTf 1 1 1",
    "illum 7\nNi 1.5",
    "d 0.2",
    "illum 7\nTr 0",
    "illum 7\nd x",
)
GLASS = {
    "illum 7\nd 0.25\nNi 1.3": (0.75, 1.3, True, (1, 1, 1)),
    "illum 6\nTr 0.5": (0.5, 1.5, True, (1, 1, 1)),
    "illum 4\nd 0.25\nNi 1.3": (0.75, 1.3, False, (1, 1, 1)),
    "illum 9\nd -halo 0\nTf 0.5 1 0.25": (1.0, 1.5, False, (0.5, 1, 0.25)),
    "illum 7\nd 0\nNi 1\nTf .5": (1.0, 1.5, False, (0.5, 0.5, 0.5)),
    "illum 7\nTr 1\nd 0.5\nTf xyz 1 1 1": (0.5, 1.5, True, (1, 1, 1)),
}


@pytest.mark.parametrize("stated", OPAQUE)
def test_what_is_no_glass_in_a_material_file(tmp_path: Path, stated: str) -> None:
    (material,) = silently(textured(tmp_path, f"Kd 1 0 0\n{stated}")).materials
    assert material.layers is None and material.roughness == 0.6


@pytest.mark.parametrize("stated", GLASS)
def test_glass_in_a_material_file(tmp_path: Path, stated: str) -> None:
    """Illumination models of the MTL format: 4 and 9 glass, 6 and 7 glass that refracts; d is what is opaque."""
    (material,) = silently(textured(tmp_path, f"Kd 1 0 0\n{stated}")).materials
    made = material.layers
    assert made is not None and material.roughness == 0.0 and material.color == (1.0, 0.0, 0.0)
    assert (made.transmission, made.ior, made.solid, made.tint) == GLASS[stated]


def test_what_stands_in_glass_is_not_dark(tmp_path: Path) -> None:
    """A box in a box of glass has the open sky of one alone."""
    picture(tmp_path / "unused.png")
    (tmp_path / "m.mtl").write_text("newmtl g\nillum 7\nd 0\nnewmtl p\nKd .5 .5 .5\n")
    inner = [tuple(0.4 * c for c in point) for point in CORNERS]
    again = [" ".join(str(int(i) + 8) for i in face.split()) for face in BOX]
    file = write_obj(tmp_path / "a.obj", [*BOX, *again], [*CORNERS, *inner], "mtllib m.mtl\nusemtl g")
    text = file.read_text().split("\n")
    first = next(i for i, line in enumerate(text) if line == f"f {again[0]}")
    file.write_text("\n".join([*text[:first], "usemtl p", *text[first:]]))
    made = silently(file)
    opaque = np.array([m.layers is None for m in made.materials])[made.face_material]
    assert made.occlusion[np.unique(made.faces[opaque])].mean() > 0.9
