# $description.
# One text for all services: change it in helm/images/service.Dockerfile, then `make dockerfiles`.
# Build it from the top of the repository:
#   docker build -f services/$name/Dockerfile -t osteon/$name .
# BASE: Debian's or another Linux's Python 3.11, for a site that keeps a mirror.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY constraints.txt excludes.txt helm/images/install helm/images/trim.py ./
COPY lib lib
COPY services/$name services/$name
RUN --mount=type=cache,target=/root/.cache/uv ./install ./lib ./services/$name

FROM ${BASE}
COPY --from=build /opt/osteon /opt/osteon
$models
ENV PATH=/opt/osteon/bin:$PATH PYTHONUNBUFFERED=1 OSTEON_HEALTH_PORT=9400 OSTEON_HEALTH_HOST=0.0.0.0
# Any number does, as long as it is not root's: nothing of the image's files is written to.
USER 10001:10001
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9400/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m", "osteon_$name"]
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="osteon/$name" \
      org.opencontainers.image.description="$description" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
