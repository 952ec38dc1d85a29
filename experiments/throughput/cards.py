"""The card that something is measured on, and the table of what was measured."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

DEVICE = "import jax; d = jax.devices()[0]; print(d.device_kind); print(jax.__version__)"


def facts() -> dict[str, str]:
    """Name of the card, its driver, and the versions of JAX and PyTorch."""
    # In a process of its own, since the first call of JAX takes the card.
    card, jax = _output([sys.executable, "-c", DEVICE]).splitlines()[-2:]
    torch = _output([sys.executable, "-c", "import torch; print(torch.__version__)"])
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = _output(query) if shutil.which(query[0]) else ""
    return {"card": card, "driver": driver.splitlines()[0] if driver else "none", "jax": jax,
            "torch": torch or "none"}  # fmt: skip


def commit(root: Path) -> str:
    return _output(["git", "-C", str(root), "describe", "--always", "--dirty"]) or "unknown"


def file_name(facts: dict[str, Any]) -> str:
    """As nvidia_h200_5d1f0a2."""
    return re.sub(r"[^a-z0-9]+", "_", f"{facts['card']} {facts['commit']}".lower())


def table(found: dict[str, Any]) -> str:
    """The results in Markdown."""
    lines = [
        "| work | side | images/s (least-most) | first side's / its | temporaries | compiled in |",
        "|---|---|---|---|---|---|",
    ]
    for work, result in found["measured"].items():
        name, first = work, next(iter(result["median"].values()), 0)
        for side, median in result["median"].items():
            values, facts = result["measured"][side], result["facts"].get(side, {})
            spread = f" ({min(values):,.0f}-{max(values):,.0f})" if len(values) > 1 else ""
            temporaries, compiled = facts.get("temporaries"), facts.get("compile_seconds")
            lines.append(
                f"| {name} | {side} | {median:,.0f}{spread} | {first / median:.2f}"
                f" | {f'{temporaries / 1e9:.1f} GB' if temporaries else ''}"
                f" | {f'{compiled:.0f} s' if compiled else ''} |"
            )
            name = ""
        for side, reason in result.get("left out", {}).items():
            lines.append(f"| {name} | {side} | not measured: {reason} | | | |")
            name = ""
    if found["checks"]:
        lines += ["", "| check | result |", "|---|---|"]
        lines += [f"| {name} | {_words(result)} |" for name, result in found["checks"].items()]
    about = ", ".join(f"{key} {value}" for key, value in found["facts"].items())
    return "\n".join(lines) + f"\n\n{about}\n"


def _words(result: Any) -> str:
    if not isinstance(result, dict):
        return str(result)
    answers = {True: "yes", False: "no"}
    return ", ".join(
        f"{key}: {answers[value] if isinstance(value, bool) else f'{value:.1f} s'}"
        for key, value in result.items()
    )


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
