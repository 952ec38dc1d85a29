"""Trains: python -m resnet_jax.main --config=cifar10 --workdir=runs/cifar10."""

import signal

if __name__ == "__main__":
    # A Ctrl-C waits until `launch` can answer it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    from resnet_jax.verbs import train
    from resnet_jax.verbs.launch import launch

    launch(train)
