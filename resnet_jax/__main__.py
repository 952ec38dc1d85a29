"""python -m resnet_jax VERB, and once installed the command resnet-jax VERB."""

import importlib
import signal
import sys


def main() -> None:
    """Runs the verb that the command line names, or lists all of them."""
    # A Ctrl-C waits until `launch` can answer it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    from resnet_jax.tables import UserError, choose
    from resnet_jax.verbs.launch import launch, verbs

    known = verbs()
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print("resnet-jax VERB [--FLAG=VALUE ...], or python -m resnet_jax VERB\n")
        for name, line in known.items():
            print(f"  {name:<10}{line}")
        print("\nresnet-jax VERB --help lists the flags of a verb.")
        return
    try:
        choose(known, sys.argv[1], "verb")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    launch(importlib.import_module(f"resnet_jax.verbs.{sys.argv.pop(1)}"))


if __name__ == "__main__":
    main()
