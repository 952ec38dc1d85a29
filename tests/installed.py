"""The package as a stranger installs it: the wheel in an environment of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def uv(*arguments: str | Path, folder: Path = ROOT) -> str:
    """Runs uv, which must succeed, and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "uv", *map(str, arguments)],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def install(folder: Path, extras: str = "") -> Path:
    """Makes FOLDER/venv with the wheel and what it requires, and nothing else; returns it."""
    uv("build", "--quiet", f"--python={sys.executable}", f"--out-dir={folder / 'dist'}", ROOT)
    (wheel,) = (folder / "dist").glob("*.whl")
    venv = folder / "venv"
    uv("venv", "--quiet", f"--python={sys.executable}", venv)
    uv("pip", "install", "--quiet", f"--python={venv}", f"{wheel}{extras}", folder=folder)
    return venv
