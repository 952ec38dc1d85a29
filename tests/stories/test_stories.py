"""Four people do what the documentation says, each where the package alone is installed.

The commands are those of docs/quick_start.md and README.md, read from their text; flags that make
networks and runs tiny stand behind them. What is looked at is what was computed.
"""

import csv
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from installed import ROOT, install
from photographs import COLOURS, write_coloured

pytestmark = pytest.mark.slow

QUICK_START = (ROOT / "docs/quick_start.md").read_text()
README = (ROOT / "README.md").read_text()
CHANCE = 1 / 10
# The digits in place of CIFAR-10, and a small network for them.
TINY = (
    "--config.data.source=digits", "--config.data.mean=(0.305,)", "--config.data.std=(0.376,)",
    "--config.data.pad=1", "--config.data.flip=False", "--config.model.stage_depths=(1,1)",
    "--config.model.widths=(16,32)", "--config.train.steps=60", "--config.train.onednn=False",
    "--config.train.batch_size=64", "--config.report.page=False",
    "--config.checkpoint.every_epochs=0", "--config.eval.every_epochs=0",
)  # fmt: skip
TINY_PHOTOGRAPHS = (
    "--config.model.stage_depths=(1,1)", "--config.model.widths=(8,16)",
    "--config.data.image_size=32", "--config.train.epochs=6", "--config.train.batch_size=16",
    "--config.data.workers=1",
)  # fmt: skip
# The same as the changes of a sweep's base.
SMALL = "digits:stage_depths=(1,1),widths=(16,32),train.steps=40,report.page=False"


def section(text: str, title: str) -> str:
    """What stands below a heading, up to the next of its rank."""
    mark, after = re.findall(rf"^(#+) {re.escape(title)}\n(.*)", text, re.M | re.S)[0]
    return re.split(rf"^#{{1,{len(mark)}}} ", after, maxsplit=1, flags=re.M)[0]


def commands(text: str) -> list[list[str]]:
    """The words of every command that is shown, a line that ends in a backslash with the next."""
    whole = text.replace("\\\n", " ")
    lines = re.findall(r"^    ((?:resnet-jax|python) .*)$", whole, re.M)
    return [shlex.split(line, comments=True) for line in lines]


def command(text: str, *words: str) -> list[str]:
    """The one command among those shown that has these words."""
    (found,) = [one for one in commands(text) if set(words) <= set(one)]
    return found


def code(text: str) -> str:
    """The first Python code that is shown."""
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)[0]


class Person:
    """Somebody in a folder of her own, with the package installed."""

    def __init__(self, folder: Path, venv: Path):
        self.folder, self._bin = folder, venv / "bin"
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self._environment = {**kept, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}

    def start(self, words: list[str], *more: str) -> subprocess.Popen:
        return subprocess.Popen(
            [str(self._bin / words[0]), *words[1:], *more],
            cwd=self.folder, env=self._environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def output(self, words: list[str], *more: str) -> str:
        process = self.start(words, *more)
        out, err = process.communicate()
        assert process.returncode == 0, out + err
        return out

    def result(self, words: list[str], *more: str) -> dict:
        """The JSON object on the last line of what the command prints."""
        return json.loads(self.output(words, *more).splitlines()[-1])

    def python(self, text: str) -> str:
        (self.folder / "script.py").write_text(text)
        return self.output(["python", "script.py"])


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    return install(tmp_path_factory.mktemp("elsewhere"), "[onnx]")


@pytest.fixture
def person(venv, tmp_path):
    one = Person(tmp_path, venv)
    where = one.python("import resnet_jax, sys; print(resnet_jax.__file__); print(sys.path)")
    assert str(venv) in where and str(ROOT / "resnet_jax") not in where
    return one


def test_a_student_compares_a_shortcut_of_her_own_with_option_b(person):
    part = section(QUICK_START, "A paper's network, and an ablation of it")
    trained = person.result(command(part, "train", "--workdir=runs/depth_56"), *TINY)
    assert trained["top1"] > 4 * CHANCE
    evaluated = person.result(command(part, "evaluate"))
    assert evaluated["top1"] == trained["top1"]

    own = section(README, "Rows of your own")
    (person.folder / "my_rows.py").write_text(code(own))
    (rows,) = [text for text in re.findall(r"^```python\n(.*?)^```", own, re.M | re.S)
               if text.startswith("def rows")]  # fmt: skip
    shown = code(section(README, "Ablations"))
    sweep = shown[: shown.index("def rows")] + rows
    sweep = sweep.replace("configs/cifar10_small.py", SMALL).replace('"small": 3', '"small": 2')
    (person.folder / "experiments/pooling").mkdir(parents=True)
    (person.folder / "experiments/pooling/sweep.py").write_text(sweep)
    swept = [word.replace("experiments/depth", "experiments/pooling")
             for word in command(section(README, "Ablations"), "sweep")]  # fmt: skip
    person.output(swept)
    with (person.folder / "experiments/pooling/results/small.csv").open() as file:
        table = {line["row"]: line for line in csv.DictReader(file)}
    assert list(table) == ["identity", "gate from 1/2", "gate from 0.98"]
    assert all(float(line["test_error_mean"]) < 60 for line in table.values())

    compared = command(section(README, "Comparing runs"), "--format=latex")
    assert r"\toprule" in person.output(compared)
    out = command(section(README, "Comparing runs"), "--out=comparison")
    result = person.result([*out[:2], "runs/sweeps", out[-1]])
    assert sorted(map(len, result["rows"].values())) == [2, 2, 2]
    page = (person.folder / "comparison/comparison.html").read_text()
    assert "my_rows.py:scalar_gate" in page and "http://" not in page


def test_a_practitioner_sorts_photographs(person):
    photographs = write_coloured(person.folder / "photographs", each=20)
    # A bee among the cats that are held out, which the page is to name.
    shutil.copy(photographs / "bee/0.jpg", photographs / "cat/13.jpg")
    part = section(QUICK_START, "A folder of photographs")
    run = "--workdir=runs/photographs"
    trained = person.result(command(part, "train", run), *TINY_PHOTOGRAPHS)
    assert trained["examples"] == 12 and trained["top1"] > 2 / len(COLOURS)
    evaluated = person.result(["resnet-jax", "evaluate", run])
    assert evaluated["top1"] == trained["top1"]
    page = (person.folder / "runs/photographs/report.html").read_text()
    assert "is cat<br>taken for bee" in page and "<br>cat/13.jpg" in page

    name, picture = "bee", person.folder / "new.jpg"
    write_coloured(person.folder / "new", each=1, seed=1)
    (person.folder / "new" / name / "0.jpg").rename(picture)
    predicted = person.result(command(part, "predict"))
    (answer,) = predicted["predictions"]
    assert answer["top"][0]["name"] == name
    assert Path(person.folder, predicted["sheet"]).read_text().count("<img ") == 3
    assert all(Path(person.folder, file).is_file() for file in predicted["explanations"])

    person.result(command(part, "export"))
    exported = json.loads(person.python(SCORED_BY_ONNX))
    expected = {guess["name"]: guess["probability"] for guess in answer["top"]}
    assert exported == {name: pytest.approx(share, abs=0.02) for name, share in expected.items()}


# What somebody writes who has photographs.onnx and what was written beside it. The picture has the
# size to which evaluation resizes.
SCORED_BY_ONNX = """
import json
import numpy as np
import onnxruntime
from PIL import Image

about = json.load(open("photographs.onnx.json"))
picture = np.asarray(Image.open("new.jpg"), np.float32) * about["scale"]
height, width, _ = about["image_shape"]
assert min(picture.shape[:2]) == about["short_sides"][0]
top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
crop = picture[top : top + height, left : left + width]
images = ((crop - np.array(about["mean"])) / np.array(about["std"]))[None].astype(np.float32)
session = onnxruntime.InferenceSession("photographs.onnx")
(logits,) = session.run(None, {"images": images})
shares = np.exp(logits[0]) / np.exp(logits[0]).sum()
print(json.dumps(dict(zip(about["classes"], shares.tolist()))))
"""


def test_a_developer_takes_the_library_into_a_loop_of_her_own(person):
    text = code(section(QUICK_START, "A library"))
    loop = """
images = jax.random.normal(jax.random.key(1), images.shape)
labels = jnp.arange(len(labels)) % 10
losses = []
for _ in range(12):
    variables, memory, value = step(variables, memory, images, labels)
    losses.append(float(value))
logits = model.apply(variables, images, train=False)
print(losses[0], losses[-1], logits.shape)
"""
    first, last, shape = person.python(text + loop).split(maxsplit=2)
    assert shape.strip() == "(8, 10)"
    assert float(last) < float(first) / 2


def test_an_engineer_prepares_a_run_on_many_devices(person):
    part = section(QUICK_START, "Before a run on many devices")
    summary = person.result(command(part, "summary"))
    assert summary["parameters"] == 25_557_032  # ResNet-50, as torchvision counts

    plans = [person.start(words) for words in commands(part) if "plan" in words]
    for process in plans:
        out, err = process.communicate()
        assert process.returncode == 0, err
        planned = json.loads(out.splitlines()[-1])
        # Where the compiler of the hardware is not installed, a sentence says how to have it.
        assert planned["rows"] or "pip install" in planned["missing"]
    assert len(plans) == 2

    jobs = (ROOT / "experiments/jobs/README.md").read_text()
    dry = command(section(jobs, "Cloud TPU"), "--dry_run")
    dry[1] = str(ROOT / dry[1])
    steps = person.output(dry)
    assert len(re.findall("gcloud compute tpus tpu-vm", steps)) >= 4 and "delete" in steps

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = command(section(README, "More than one machine"), "--process=0")
    shown = {"--config=FILE": "--config=cifar10", "--workdir=SHARED": "--workdir=shared",
             "--coordinator=HOST:PORT": f"--coordinator=127.0.0.1:{port}"}  # fmt: skip
    words = [shown.get(word, word) for word in words]
    others = [word.replace("--process=0", "--process=1") for word in words]
    both = [person.start(one, *TINY, "--config.norm.group_size=None") for one in (words, others)]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    result = json.loads(outputs[0][0].splitlines()[-1])
    assert result["step"] == 60 and result["top1"] > 4 * CHANCE
