# The pinned environment for `dvc repro` and `dvc exp run`, on a CPU or a GPU. How to use it:
# docs/container.md.
#
# BASE_IMAGE: Debian with Python 3.11; name a digest to get the same bytes every time. torch's wheels contain
# the CUDA libraries, and the NVIDIA container toolkit provides the driver, so no nvidia/cuda image is
# needed.
# WHEELS_IMAGE: an image with wheels in its root folder, which pip prefers to the package index, such as
# another build of torch. The default is none.
ARG BASE_IMAGE=python:3.11.14-slim-bookworm
ARG WHEELS_IMAGE=scratch
FROM ${WHEELS_IMAGE} AS wheels

FROM ${BASE_IMAGE}
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

# Debian's packages have no pinned versions: a pinned version disappears with the next security update.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make tini \
 && rm -rf /var/lib/apt/lists/*

# A mounted checkout belongs to another user, which git refuses by default. `dvc exp` commits, so git needs a
# name.
RUN git config --system --add safe.directory '*' \
 && git config --system user.name model-emotion \
 && git config --system user.email model-emotion@container.invalid

ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
# All packages except torch, checked by hash. Bytecode is compiled only for modules that a run may load: it
# loads one of transformers' hundreds of models.
COPY requirements.lock /opt/build/
RUN --mount=type=bind,from=wheels,target=/wheels \
    --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv "$VIRTUAL_ENV" \
 && pip install --quiet --no-compile --no-deps --require-hashes --find-links /wheels \
      -r /opt/build/requirements.lock \
 && left_out='tests|transformers/models|dask|distributed|tornado|sklearn|xarray|networkx|hypothesis' \
 && left_out="$left_out|celery|asyncssh|fontTools|pip|setuptools" \
 && python -m compileall -q -j 0 -x "/($left_out)/" \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

# torch has its own layer: the CUDA build, checked by hash, unless WHEELS_IMAGE contains a build of torch.
COPY requirements-cuda.lock /opt/build/
RUN --mount=type=bind,from=wheels,target=/wheels \
    --mount=type=cache,target=/root/.cache/pip \
    if ls /wheels/torch-*.whl >/dev/null 2>&1; then \
      pip install --quiet --find-links /wheels \
        "$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' /opt/build/requirements-cuda.lock)"; \
    else \
      pip install --quiet --no-deps --require-hashes -r /opt/build/requirements-cuda.lock; \
    fi

ARG UID=1000
ARG GID=1000
RUN groupadd --gid "$GID" --non-unique reader \
 && useradd --uid "$UID" --gid "$GID" --non-unique --create-home reader \
 && install --directory --owner="$UID" --group="$GID" /model-emotion

# The checkout and its last commit, which `dvc exp` needs, without the history. A change in the code does not
# rebuild the layers above.
WORKDIR /model-emotion
RUN --mount=type=bind,target=/checkout \
    tar --create --exclude=./.git --directory=/checkout . | tar --extract \
 && if test -d /checkout/.git; then \
      git init --quiet --initial-branch=main \
       && git fetch --quiet --depth=1 file:///checkout/.git HEAD && git reset --quiet FETCH_HEAD; \
    fi \
 && chown --recursive "$UID:$GID" .
# The package is installed in place, so a checkout that is mounted over this folder is used instead.
RUN pip install --quiet --no-cache-dir --no-deps --no-build-isolation --no-index --editable . && pip check \
 && rm -rf build \
 && cp requirements.lock /opt/build/ \
 && install --mode=755 docker/entrypoint.sh /usr/local/bin/entrypoint

ARG SOURCE=unknown
ARG REVISION=unknown
ARG BASE_IMAGE
LABEL org.opencontainers.image.title="model-emotion" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
ENV MODEL_EMOTION_IMAGE=${SOURCE} MODEL_EMOTION_IMAGE_REVISION=${REVISION} VENV=/opt/venv PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility NVIDIA_REQUIRE_CUDA="cuda>=13.0"

USER ${UID}:${GID}
STOPSIGNAL SIGINT
ENTRYPOINT ["tini", "-g", "--", "entrypoint"]
CMD ["make", "repro"]
