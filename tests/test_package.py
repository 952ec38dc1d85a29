"""What a stranger installs: the wheel in an environment of its own, the extras, the lock file."""

import importlib.metadata
import json
import os
import subprocess
import tomllib

import pytest
from installed import ROOT, install, uv

import resnet_jax

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = sorted(PROJECT["tool"]["setuptools"]["dynamic"]["optional-dependencies"])
TINY = ":stage_depths=(1,),widths=(8,),train.steps=2,schedule.warmup_epochs=0.0,report.page=False"
OWN = """
from resnet_jax.assembly.configuration import override
from resnet_jax.configs import digits

def get_config(changes=""):
    config = digits.get_config()
    config.model.shortcut = "C"
    return override(config, changes)
"""


def test_the_version_is_what_the_installed_package_says():
    assert resnet_jax.__version__ == importlib.metadata.version("resnet_jax")
    assert f"\nversion: {resnet_jax.__version__}\n" in (ROOT / "CITATION.cff").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS)
def test_every_extra_has_a_solution_on_every_python(extra):
    """--universal looks for one on each later Python too, where versions differ."""
    found = uv(
        "pip", "compile", "--universal", "--python-version=3.11", "pyproject.toml",
        f"--extra={extra}",
    )  # fmt: skip
    assert "\njax==" in found


@pytest.mark.slow
def test_the_lock_file_is_a_solution_of_the_requirements(tmp_path):
    """uv keeps the versions that it finds in its output, as long as the requirements allow them."""
    lock = tmp_path / "lock.txt"
    before = (ROOT / "requirements-lock.txt").read_text()
    lock.write_text(before)
    uv(
        "pip", "compile", "--quiet", "--universal", "--python-version=3.11", "--no-annotate",
        "--custom-compile-command=make lock", "requirements-dev.txt", f"--output-file={lock}",
    )  # fmt: skip
    assert lock.read_text() == before, "run `make lock` and commit requirements-lock.txt"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with an environment that has the wheel and what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("elsewhere")
    install(folder)
    return folder


@pytest.fixture
def project(installed, tmp_path):
    """The folder of another project, with `configs` of its own, and a function that runs there."""
    (tmp_path / "configs").mkdir()
    for name in ("__init__", "default", "digits"):
        (tmp_path / "configs" / f"{name}.py").write_text("raise RuntimeError('another project')\n")
    (tmp_path / "own.py").write_text(OWN)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [installed / "venv/bin/resnet-jax", *arguments],
            cwd=tmp_path, env={**environment, "JAX_PLATFORMS": "cpu"},
            capture_output=True, text=True,
        )  # fmt: skip

    return tmp_path, run


@pytest.mark.slow
@pytest.mark.parametrize("config", ["digits", "own.py"])
def test_an_installed_package_trains_by_name_beside_another_projects_configs(project, config):
    folder, run = project
    done = run("train", f"--config={config}{TINY}", "--workdir=run")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["step"] == 2
    stored = json.loads((folder / "run/config.json").read_text())
    assert stored["model"]["shortcut"] == ("C" if config == "own.py" else "B")


@pytest.mark.slow
def test_an_installed_package_sweeps(project):
    folder, run = project
    (folder / "sweep.py").write_text(
        "from resnet_jax.sweeps.experiment import Row\n"
        "TITLE = SOURCE = 'test'\n"
        f"BASES = {{'small': 'digits{TINY}'}}\n"
        "SEEDS = {'small': 1}\n"
        "def rows(scale):\n    yield Row('B', 'shortcut=B')\n    yield Row('C', 'shortcut=C')\n"
    )
    done = run("sweep", ".", "--scale=small")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "results/small.csv").read_text().count("\n") == 3


@pytest.mark.slow
def test_an_installed_package_is_typed(installed):
    (package,) = (installed / "venv").glob("lib/python*/site-packages/resnet_jax")
    assert (package / "py.typed").is_file()
    assert not (package / "configs").is_symlink()
