"""python -m resnet_jax VERB."""

import runpy
import sys

if __name__ == "__main__":
    verb = sys.argv.pop(1)
    runpy.run_module(f"resnet_jax.verbs.{verb}", run_name="__main__", alter_sys=True)
