# In place of grafana/grafana; the context is the folder `tests`.
FROM python:3.12.13-slim-bookworm
RUN pip install --no-cache-dir pyyaml jsonschema \
    && useradd --uid 472 --gid 0 grafana \
    && install --directory --owner grafana --group root --mode 777 /var/lib/grafana \
    && install --directory /etc/grafana /opt/stand-in
COPY --chmod=755 grafana_schema /opt/stand-in/grafana_schema
COPY --chmod=755 topology/stand_ins/grafana.py /opt/stand-in/
ENV GF_PATHS_PLUGINS=/var/lib/grafana/plugins
CMD ["python3", "/opt/stand-in/grafana.py"]
