# One image for every stage: `penstock` is the entry point, the stage its first argument.
FROM python:3.11-slim AS build
RUN pip install --no-cache-dir uv
WORKDIR /opt/penstock
COPY pyproject.toml uv.lock README.md ./
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
RUN uv sync --frozen --no-dev --no-install-project
COPY schemas schemas
COPY eventlog eventlog
COPY ingress ingress
COPY processors processors
COPY projections projections
COPY penstock penstock
RUN uv sync --frozen --no-dev --no-editable

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home penstock \
    && install --directory --mode 0700 --owner penstock /data
COPY --from=build /opt/penstock/.venv /opt/penstock/.venv
ENV PATH=/opt/penstock/.venv/bin:$PATH PENSTOCK_DATA=/data PYTHONUNBUFFERED=1
USER penstock
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["penstock"]
