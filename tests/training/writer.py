"""Saves one step after another, as a run that trains, until its standard input is closed."""

import sys
import threading

from saved import state

from resnet_jax.training.checkpoint import Checkpoints


def save_on(folder: str, stop: threading.Event, keep: int, keep_best: int) -> None:
    """Every step has other figures, so that the best one changes, too."""
    with Checkpoints(folder, keep=keep, keep_best=keep_best) as checkpoints:
        step = max(checkpoints.steps, default=0)
        while not stop.is_set():
            step += 1
            checkpoints.save(state(step), {"top1": (step * 7 % 11) / 11} if step % 2 else None)


if __name__ == "__main__":
    folder, keep, keep_best = sys.argv[1:]
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set())).start()
    save_on(folder, stop, int(keep), int(keep_best))
