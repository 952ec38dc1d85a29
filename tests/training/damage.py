"""Damages of a folder of checkpoints, each drawn by hypothesis."""

import shutil
from pathlib import Path

from hypothesis import strategies as st


def flip(path, draw):
    content = bytearray(path.read_bytes())
    if content:
        content[draw(st.integers(0, len(content) - 1))] ^= draw(st.integers(1, 255))
    path.write_bytes(content)


def truncate(path, draw):
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[: draw(st.integers(0, max(size - 1, 0)))])


def append(path, draw):
    path.write_bytes(path.read_bytes() + draw(st.binary(min_size=1, max_size=30)))


def zero(path, draw):
    content = bytearray(path.read_bytes())
    start = draw(st.integers(0, len(content)))
    content[start : start + 512] = bytes(len(content[start : start + 512]))
    path.write_bytes(content)


def overwrite(path, draw):
    path.write_bytes(draw(st.binary(max_size=60)))


def empty_json(path, draw):
    path.write_text(draw(st.sampled_from(["{}", "[]", "null", "0", '{"top1": null}', '"x"'])))


def delete(path, draw):
    path.unlink()


def folder_in_its_place(path, draw):
    path.unlink()
    path.mkdir()


def swap(path, draw):
    """With a file of this or another checkpoint."""
    other = draw(st.sampled_from(files(path)))
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def copy_from_another_step(path, draw):
    """The file of the same name, where there is one."""
    others = [other for other in files(path) if other.name == path.name]
    path.write_bytes(draw(st.sampled_from(others)).read_bytes())


OF_FILES = (flip, truncate, append, zero, overwrite, empty_json, delete, folder_in_its_place, swap,
            copy_from_another_step)  # fmt: skip


def swap_steps(folder, draw):
    one, other, aside = folder / "3", folder / draw(st.sampled_from("12")), folder / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def rename_step(folder, draw):
    (folder / draw(st.sampled_from("123"))).rename(folder / draw(st.sampled_from(["7", "30"])))


def file_in_place_of_a_step(folder, draw):
    shutil.rmtree(folder / "3")
    (folder / "3").write_bytes(b"x")


def lose_a_folder(folder, draw):
    inner = sorted(path for path in (folder / "3").rglob("*") if path.is_dir())
    shutil.rmtree(draw(st.sampled_from(inner)))


OF_FOLDERS = (swap_steps, rename_step, file_in_place_of_a_step, lose_a_folder)


def files(path: Path) -> list[Path]:
    """The files of all checkpoints."""
    root = next(parent for parent in path.parents if parent.name == "checkpoints")
    return sorted(other for other in root.rglob("*") if other.is_file())


def damage(folder: Path, draw) -> str:
    """Damages a file of the newest checkpoint, or a folder; returns what it did."""
    kind = draw(st.sampled_from([*OF_FILES, *OF_FOLDERS]))
    if kind in OF_FOLDERS:
        kind(folder, draw)
        return kind.__name__
    found = sorted(path for path in (folder / "3").rglob("*") if path.is_file())
    # A file is as often of the state as of the rest, though there are more of the state's.
    inside = draw(st.booleans())
    path = draw(st.sampled_from([path for path in found if ("state" in path.parts) == inside]))
    kind(path, draw)
    return f"{kind.__name__} {path.relative_to(folder)}"
