# An image for NVIDIA GPUs: docker build -t resnet_jax .
# docker run --gpus=all --rm -v "$PWD:/work" resnet_jax train --config=imagenet:synthetic
# CUDA's libraries come as packages; the host has the driver and NVIDIA's container toolkit.
FROM python:3.13-slim-trixie

ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    UV_SYSTEM_PYTHON=1 \
    UV_NO_CACHE=1

WORKDIR /source
COPY requirements.txt requirements-cuda.txt requirements-lock.txt ./
RUN pip install --no-cache-dir --constraint=requirements-lock.txt uv \
    && uv pip install -r requirements.txt -r requirements-cuda.txt --constraint=requirements-lock.txt

COPY . .
RUN uv pip install --no-deps .

WORKDIR /work
ENTRYPOINT ["resnet-jax"]
CMD ["--help"]
