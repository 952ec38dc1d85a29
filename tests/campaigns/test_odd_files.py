"""Odd pictures and files of weights, drawn by hypothesis: an answer or one sentence, soon."""

import json
import struct
import time
from collections import Counter
from functools import cache

import numpy as np
import pytest
import zoo
from campaigns.runs import amount
from golden.tensors import draw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet_jax.data.images.pictures import UnreadablePicture, read_picture
from resnet_jax.data.images.views import views
from resnet_jax.models.building import resnet
from resnet_jax.tables import UserError
from resnet_jax.weights import read_tensors, to_variables, write_tensors
from resnet_jax.weights.mapping import tensor_shapes

pytestmark = pytest.mark.slow
SMALL, SHAPE = views(8, crop_ratio=1.0), (8, 8, 3)
LONGEST = 60.0  # seconds for one file, on a machine that does other things too
KINDS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP", "ICO", "TGA", "PCX", "SGI", "DDS")
FOREIGN = (b"", b"\0", b"hello", b"<svg/>", b"%PDF-1.4\n", b"PK\3\4" + bytes(30), b"GIF89a",
           b"\x1f\x8b\x08" + bytes(30), b"\0\0\0\x18ftypheic", b"BM" + bytes(60), b"\xff\xd8\xff",
           b"\x89HDF\r\n\x1a\n", b"\x80\x02}q\0.", b"version https://git-lfs")  # fmt: skip


def campaign(full: int, short: int):
    return settings(
        max_examples=amount(full, short),
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@cache
def pictures() -> list[bytes]:
    of_kinds = [zoo.saved(zoo.COLOUR, kind) for kind in KINDS]
    return [*of_kinds, *(content for content, _ in zoo.PICTURES.values())]


def damaged(content: bytes, data) -> bytes:
    """Some bytes are other ones, lost, or more."""
    for _ in range(data.draw(st.integers(1, 5))):
        # The heads of files say the most.
        most = data.draw(st.sampled_from([min(40, len(content)), len(content)]))
        start = data.draw(st.integers(0, most))
        end = min(len(content), start + data.draw(st.integers(0, 8)))
        content = content[:start] + data.draw(st.binary(max_size=8)) + content[end:]
    return content


def looked_at(tmp_path, content: bytes) -> np.ndarray | None:
    """What a network sees of a picture; None where it is refused in one sentence."""
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    try:
        found = read_picture(path, SMALL, SHAPE)
    except UnreadablePicture as error:
        assert str(path) in str(error) and "\n" not in str(error) and len(str(error)) < 500
        return None
    assert found.shape == (1, *SHAPE)
    return found


def test_odd_pictures(tmp_path):
    outcomes = Counter()

    @campaign(150, 20)
    @given(data=st.data())
    def look(data):
        whole = data.draw(st.sampled_from(pictures()))
        how = data.draw(st.sampled_from(["whole", "cut", "damaged", "foreign"]))
        start = time.monotonic()
        if how == "whole":
            assert looked_at(tmp_path, whole) is not None
        elif how == "cut":
            found = looked_at(tmp_path, whole[: data.draw(st.integers(0, len(whole) - 1))])
            # What is cut off may be more than the pixels need, as the mark at the end of a GIF.
            if found is not None:
                np.testing.assert_array_equal(found, looked_at(tmp_path, whole))
        elif how == "foreign":
            content = data.draw(st.sampled_from(FOREIGN)) + data.draw(st.binary(max_size=30))
            found = looked_at(tmp_path, content)
        else:
            found = looked_at(tmp_path, damaged(whole, data))
        outcomes[how] += 1
        assert time.monotonic() - start < LONGEST

    look()
    print(f"{outcomes.total()} odd pictures: {dict(outcomes)}")


@cache
def network():
    model = resnet(family="cifar", classes=3, stage_depths=(1,), widths=(4,), stem_width=4)
    tensors = {name: draw(name, shape).astype(np.float32)
               for name, shape in tensor_shapes(model).items()}  # fmt: skip
    return model, tensors


def changed(tensors, data) -> str:
    """Changes a tensor so that the network can't take it, and says how."""
    name = data.draw(st.sampled_from(sorted(tensors)))
    tensor = tensors[name]
    how = data.draw(st.sampled_from(["integers", "range", "NaN", "shape", "missing", "surplus",
                                     "negative variance", "complex"]))  # fmt: skip
    if how == "integers":
        tensors[name] = tensor.astype(
            data.draw(st.sampled_from(["int8", "uint8", "int64", "bool"]))
        )
    elif how == "complex":
        tensors[name] = tensor.astype(np.complex64)
    elif how in ("range", "NaN"):
        values = [1e39, -1e300] if how == "range" else [np.nan, np.inf, -np.inf]
        tensors[name] = tensor.astype(np.float64)
        at = data.draw(st.integers(0, tensor.size - 1))
        tensors[name].flat[at] = data.draw(st.sampled_from(values))
    elif how == "shape":
        other = data.draw(st.sampled_from([tensor[None], tensor.ravel()[:-1], tensor[..., None]]))
        tensors[name] = other
    elif how == "negative variance":
        name = data.draw(st.sampled_from([key for key in sorted(tensors) if key.endswith("var")]))
        tensors[name] = tensors[name].copy()
        tensors[name].flat[0] = -data.draw(st.sampled_from([1e-30, 1e-3, 1e9]))
    elif how == "missing":
        del tensors[name]
    else:
        tensors[data.draw(st.sampled_from(["a", "", "fc", f"{name}.x"]))] = tensor
    return how


def converted(path):
    """The variables of a file; None where it is refused in one sentence."""
    try:
        variables = to_variables(network()[0], read_tensors(path)).variables
    except UserError as error:
        assert "\n" not in str(error) and len(str(error)) < 1_000, error
        return None
    return variables


def test_odd_files_of_weights(tmp_path):
    outcomes, path = Counter(), tmp_path / "odd.safetensors"

    @campaign(150, 20)
    @given(data=st.data())
    def convert(data):
        tensors = dict(network()[1])
        how = data.draw(st.sampled_from(["tensors", "cut", "header", "foreign", "other ending"]))
        start = time.monotonic()
        if how == "tensors":
            how = changed(tensors, data)
        write_tensors(path, tensors, {})
        content = path.read_bytes()
        length = struct.unpack("<Q", content[:8])[0]
        if how == "cut":
            path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        elif how == "header":
            header = json.loads(content[8 : 8 + length])
            name = data.draw(st.sampled_from(sorted(header.keys() - {"__metadata__"})))
            field, value = data.draw(st.sampled_from([
                ("dtype", "F64"), ("dtype", "X"), ("dtype", 3), ("shape", [2**40]), ("shape", "x"),
                ("shape", [-1]), ("data_offsets", [0, 2**60]), ("data_offsets", [8, 4]),
                ("data_offsets", [0]),
            ]))  # fmt: skip
            header[name][field] = value
            text = json.dumps(header).encode()
            path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
        elif how == "foreign":
            path.write_bytes(data.draw(st.sampled_from(FOREIGN)) + data.draw(st.binary(max_size=9)))
        elif how == "other ending":
            other = path.with_suffix(data.draw(st.sampled_from([".h5", ".npz", ".bin", ".onnx"])))
            other.write_bytes(content)
            assert converted(other) is None
        if how != "other ending":
            assert converted(path) is None, how
        outcomes[how] += 1
        assert time.monotonic() - start < LONGEST

    convert()
    print(f"{outcomes.total()} odd files of weights, each refused: {dict(outcomes)}")


def test_a_whole_file_of_weights_is_converted(tmp_path):
    _model, tensors = network()
    write_tensors(tmp_path / "whole.safetensors", tensors, {})
    found = converted(tmp_path / "whole.safetensors")
    np.testing.assert_array_equal(found["params"]["head"]["bias"], tensors["fc.bias"])
