# Stepwatch in a container; docker-compose.yml runs it with everything that stands around it.
#
#   docker build --tag stepwatch .
#   docker run --init --read-only --tmpfs /tmp --volume stepwatch:/data --stop-timeout 90 \
#     --publish 127.0.0.1:8080:8080 stepwatch
#
# Only /data is written to: checkpoints, snapshots and, where REDIS_URL names no Redis, the embedded
# Valkey with its socket.

FROM python:3.11-slim-bookworm AS base

FROM base AS builder
# Where torch comes from: pytorch.org's CPU builds. From the default index of pip a build with
# several gigabytes of CUDA libraries would come.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# pip stays outside: what runs needs none
RUN python -m venv --without-pip /opt/stepwatch
COPY constraints.txt ./
# torch first and alone, so that no looser requirement met on the way chooses the build
RUN pip --python /opt/stepwatch/bin/python install --constraint constraints.txt \
    --index-url "${TORCH_INDEX_URL}" torch
COPY pyproject.toml ./
# requirements before the code: a change of the code fetches nothing anew
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*project['dependencies'], *project['optional-dependencies']['plot'], sep='\n')" \
    > requirements.txt
RUN pip --python /opt/stepwatch/bin/python install --constraint constraints.txt \
    --requirement requirements.txt \
    && pip install --constraint constraints.txt hatchling
COPY README.md LICENSE ./
COPY models models
COPY service service
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/stepwatch/bin/python install --no-deps dist/*.whl \
    && pip --python /opt/stepwatch/bin/python check

FROM base
LABEL org.opencontainers.image.title="stepwatch" \
      org.opencontainers.image.description="Streaming anomaly detection for metric vectors" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# The base image comes without compiled files of the standard library, and none can be written at
# run time: without them every health check would compile what it imports. The others are there:
# pip compiles what it installs.
RUN python -m compileall -q -x '/(site-packages|test|tests|idlelib|lib2to3)/' \
        /usr/local/lib/python3.11 \
    && groupadd --gid 10001 stepwatch \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /tmp \
        --shell /usr/sbin/nologin stepwatch \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=builder /opt/stepwatch /opt/stepwatch
ENV PATH=/opt/stepwatch/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    STEPWATCH_DATA_DIR=/data \
    STEPWATCH_HOST=0.0.0.0
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 8080
# Stopping takes up to 10 s for requests under way, FLUSH_S (5 s) for the sinks, SNAPSHOT_STOP_S
# (60 s) for snapshots and 10 s for the embedded Valkey: give it 90 s before it is killed
# (--stop-timeout, stop_grace_period, terminationGracePeriodSeconds).
STOPSIGNAL SIGTERM
# the demo trains before it answers
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["stepwatch", "health"]
ENTRYPOINT ["stepwatch"]
CMD ["serve"]
