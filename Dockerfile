# The image of the job. Two targets: `cuda`, the last and so the default, and `cpu`.
# docs/image.md says what is in it and why; docs/docker.md how to build and run it.
#
# It keeps to what BuildKit, the frontend built into Docker 20.10 and buildah 1.28 all understand:
# no heredoc, no COPY --link, no `# syntax=` line, which a builder without a network cannot fetch.

# The `base` flavour: the wheels bring CUDA's libraries. Its major version is that of the wheels.
ARG BASE_IMAGE=nvidia/cuda:13.0.1-base-ubuntu24.04


FROM ${BASE_IMAGE} AS python
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 \
    && apt-get clean && rm -rf /var/lib/apt/lists/*


# What only a build needs. pip stands beside /opt/venv, not in it, so that it stays behind.
FROM python AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates python3-venv \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/venv
# The source is on the path of this python wherever it is started, and whoever starts it.
RUN echo /app > "$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/app.pth"
COPY requirements.lock /opt/


FROM build AS cuda-packages
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/build/bin/pip --python /opt/venv/bin/python install \
        --quiet --require-hashes -r /opt/requirements.lock


# torch's CPU builds have other hashes than the lock, and their own index vouches for them; what
# the CUDA build of torch needs besides is left out.
FROM build AS cpu-packages
ARG TORCH_INDEX_URL=""
RUN : "${TORCH_INDEX_URL:?the address of an index with the CPU builds of torch}" \
    && awk '/^torch(vision)?==/ {print $1}' /opt/requirements.lock > /opt/torch.txt \
    && awk '/^[a-z]/ {keep = !/^(torch|torchvision|triton|cuda-|nvidia-[^m])/} keep' \
        /opt/requirements.lock > /opt/rest.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/build/bin/pip --python /opt/venv/bin/python install \
        --quiet --no-deps --index-url "${TORCH_INDEX_URL}" -r /opt/torch.txt \
    && /opt/build/bin/pip --python /opt/venv/bin/python install \
        --quiet --require-hashes -r /opt/rest.txt


# The source as it lies in the image; its own stage, so that the packages' layer comes before it.
FROM python AS source
COPY job /image/app/job
COPY LICENSE /image/app/
COPY --chmod=755 entrypoint.sh /image/
RUN python3 -m compileall -q -s /image -p / /image/app


FROM python AS runtime
ARG BASE_IMAGE
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends dataset-fashion-mnist \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
# Group 0 is what OpenShift gives to its random users.
RUN install -d -o 10001 -g 0 -m 775 /output
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    USER=job \
    LOGNAME=job \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/cache/matplotlib \
    CUDA_CACHE_PATH=/tmp/cache/cuda \
    TORCHINDUCTOR_CACHE_DIR=/tmp/cache/inductor \
    TRITON_CACHE_DIR=/tmp/cache/triton
LABEL org.opencontainers.image.title="fashion-mnist-job" \
      org.opencontainers.image.description="One environment-configured GPU training job" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
WORKDIR /app
USER 10001:0
ENTRYPOINT ["/entrypoint.sh"]


FROM runtime AS cpu
ENV NVIDIA_VISIBLE_DEVICES=void
COPY --from=cpu-packages /opt/venv /opt/venv
COPY --from=source /image /


FROM runtime AS cuda
# enroot gives no GPU without the first, and no CUDA without the second.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=cuda-packages /opt/venv /opt/venv
COPY --from=source /image /
