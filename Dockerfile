# One image for every process of plg-signals: worker, sinks, commands, simulator. See docs/operations.md.
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements-run.lock ./
# Wheels only. What is not in the lock with its hash is refused.
RUN python -m venv /opt/plg \
 && /opt/plg/bin/pip install --only-binary :all: --require-hashes -r requirements-run.lock \
 && /opt/plg/bin/pip uninstall --yes pip setuptools
# What compiles the steps (docs/adr/0020) stays here. Debian has one gcc a release, and old versions of it leave its mirrors.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
COPY deploy/compile_steps.py deploy/requirements-compile.txt /build/
RUN python -m venv /build/venv \
 && /build/venv/bin/pip install --only-binary :all: --require-hashes -r /build/requirements-compile.txt
COPY signals signals
COPY sinks sinks
COPY streams streams
COPY simulator simulator
COPY config config
# Our packages stay where they are, as in the repository, and are found by one path in one file. Bytecode is written
# here, because the root of a container is read-only.
RUN echo /app > /opt/plg/lib/python3.11/site-packages/plg-signals.pth \
 && printf '#!/opt/plg/bin/python\nfrom streams.cli import main\n\nmain()\n' > /opt/plg/bin/plg \
 && chmod 755 /opt/plg/bin/plg \
 && /build/venv/bin/python /build/compile_steps.py /app \
 && /opt/plg/bin/python -m compileall -q /app

FROM python:3.11.14-slim-bookworm
# A fixed number, so that a secret or a volume can be given to it by number.
RUN groupadd --system --gid 10001 plg \
 && useradd --system --uid 10001 --gid plg --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin plg
COPY --from=build /opt/plg /opt/plg
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/plg/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PLG_CONFIG=/app/config/plg.yaml
USER 10001:10001
STOPSIGNAL SIGTERM
# Ready within the start period or unhealthy: a recovery of a large state may take longer and loses nothing by it.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["plg", "health"]
ENTRYPOINT ["plg"]
CMD ["--help"]
