"""Images become the tensors of timm's evaluation transform; files that are no images are refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import sklearn.datasets
from edgeport.artifacts.errors import ImageError
from edgeport.models import PreprocessSpec, get_variant
from edgeport.models.preprocess import list_images, load_image, preprocess
from PIL import Image

_SKIMAGE, _SKLEARN = Path(skimage.data.__file__).parent, Path(sklearn.datasets.__file__).parent / "images"
PHOTOS = [_SKLEARN / "china.jpg", _SKLEARN / "flower.jpg"] + [
    _SKIMAGE / name for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png", "ihc.png")
]
SPECS = {
    name: get_variant(name)
    for name in ("mobilevit_s", "resnet18", "mobilenetv2_100", "mobilenetv3_large_075", "vit_tiny_patch16_224")
} | {"small": PreprocessSpec(input_size=(3, 33, 33), crop_pct=0.77, interpolation="bilinear")}


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda p: p.name)
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("turned", [False, True], ids=["upright", "turned"])
def test_equals_timm(timm, photo, spec, turned):
    image = load_image(photo)
    image = image.transpose(Image.Transpose.ROTATE_90) if turned else image
    fields = ("input_size", "mean", "std", "interpolation", "crop_pct")
    transform = timm.data.create_transform(**{f: getattr(spec, f) for f in fields}, is_training=False)
    got, want = preprocess(image, spec), transform(image).numpy()
    assert (got.shape, got.dtype, got.flags.c_contiguous) == (spec.input_size, np.float32, True)
    assert np.abs(got - want).max() < 1e-6 / min(spec.std)


@pytest.mark.parametrize("size", [(1, 1), (5, 1000), (1000, 5), (223, 224), (224, 224)])
@pytest.mark.parametrize("target", [(224, 224), (64, 192), (192, 64)])
def test_any_size_fills_the_crop(size, target):
    white = PreprocessSpec(input_size=(3, *target), mean=(0.0,) * 3, std=(1.0,) * 3)
    assert (preprocess(Image.new("RGB", size, "white"), white) == 1).all()


def test_one_channel_is_luminance():
    red = preprocess(Image.new("RGB", (40, 40), (255, 0, 0)), get_variant("lenet5"))
    assert red.shape == (1, 32, 32)
    assert red * (1 / 1.275) + 0.1 / 1.275 == pytest.approx(0.299, abs=1 / 255)  # Rec. 601


def test_unknown_interpolation():
    with pytest.raises(ValueError, match=r"bicubic.*'cubic'"):
        preprocess(Image.new("RGB", (8, 8)), PreprocessSpec(interpolation="cubic"))


def test_list_is_recursive_sorted_and_by_extension(tmp_path):
    for name in ("b.PNG", "a/z.jpeg", "a/b/c.webp", "c.jpg", "notes.txt", "._c.jpg", ".cache/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [p.relative_to(tmp_path).as_posix() for p in list_images(tmp_path)]
    assert found == ["a/b/c.webp", "a/z.jpeg", "b.PNG", "c.jpg"]


def test_list_refuses(tmp_path, monkeypatch):
    (tmp_path / "file.txt").touch()
    for path, message in (
        (tmp_path, "there are no images in"),
        (tmp_path / "absent", "is no folder"),
        (tmp_path / "file.txt", "is a file, not a folder"),
    ):
        with pytest.raises(ImageError, match=message) as e:
            list_images(path)
        assert str(path) in str(e.value)

    def denied(*_):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("os.scandir", denied)
    with pytest.raises(ImageError, match="cannot be read: Permission denied"):
        list_images(tmp_path)


UPRIGHT = {  # orientation, in the words of the EXIF standard (4.6.4 A): where row 0 and column 0 are
    1: lambda a: a,
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.swapaxes(0, 1),  # left, top
    6: lambda a: np.rot90(a, -1),  # right, top
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda a: np.rot90(a),  # left, bottom
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg"])
def test_exif_orientation_is_applied(tmp_path, ending, orientation):
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :16] = 255, 0, 0
    pixels[16:, :16] = 0, 0, 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / f"x.{ending}", exif=exif, quality=100)
    found = np.asarray(load_image(tmp_path / f"x.{ending}"), np.int32)
    wanted = UPRIGHT[orientation](pixels)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted)[8::16, 8::16].max() < 8  # in the middle of the blocks


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new("RGB", (4, 4), "white").convert(mode).save(path)
    image = load_image(path)
    assert (image.mode, image.getpixel((0, 0))) == ("RGB", (255, 255, 255))


def test_sixteen_bit_grey_is_scaled_and_float_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 32896, np.uint16)).save(tmp_path / "x.png")
    assert load_image(tmp_path / "x.png").getpixel((0, 0)) == (128, 128, 128)
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(ImageError, match="unknown range"):
        load_image(tmp_path / "x.tif")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".webp", ".tif", ".bmp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_refuses_truncated(tmp_path, suffix, share):
    path = tmp_path / f"x{suffix}"
    load_image(PHOTOS[0]).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path)


@pytest.mark.parametrize(
    "content", [b"", b"not an image", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"P6 3x 4 255 "]
)
def test_refuses_what_is_no_image(tmp_path, content):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    refused(path)
    refused(tmp_path / "absent.jpg")
    refused(tmp_path)


def test_refuses_a_bomb(tmp_path, monkeypatch):
    Image.new("1", (4000, 4000)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    refused(tmp_path / "x.png")


def refused(path):
    with pytest.raises(ImageError) as e:
        load_image(path)
    assert str(path) in str(e.value)
    assert "\n" not in str(e.value)
