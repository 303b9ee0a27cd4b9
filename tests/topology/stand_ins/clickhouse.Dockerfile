# In place of clickhouse/clickhouse-server; the context is the folder `tests`.
FROM python:3.12.13-slim-bookworm
RUN pip install --no-cache-dir chdb-core==26.9.0 pyyaml zstandard lz4 psutil \
    && groupadd --gid 101 clickhouse && useradd --uid 101 --gid clickhouse clickhouse \
    && install --directory --owner clickhouse --group clickhouse /var/lib/clickhouse /opt/stand-in \
    && install --directory /etc/clickhouse-server/config.d /etc/clickhouse-server/users.d \
        /opt/stand-in/deploy \
    && ln -s /etc/clickhouse-server/users.d /opt/stand-in/deploy/clickhouse \
    && printf '#!/bin/sh\nexec python3 /opt/stand-in/clickhouse.py "$@"\n' > /usr/local/bin/clickhouse \
    && chmod 755 /usr/local/bin/clickhouse
WORKDIR /opt/stand-in
COPY --chmod=755 __init__.py tests/
COPY --chmod=755 servers tests/servers
COPY --chmod=755 topology/__init__.py topology/compose.py tests/topology/
COPY --chmod=755 topology/stand_ins/clickhouse.py ./
VOLUME /var/lib/clickhouse
CMD ["clickhouse"]
