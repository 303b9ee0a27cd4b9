#!/bin/sh
# The databases and roles: on a fresh server the image runs this, as the superuser.
#
#     vitrina_owner    owns the warehouse, and makes and upgrades its tables (vitrina migrate)
#     vitrina_loader   writes: all that the DAG's tasks do
#     vitrina_reader   reads, for five minutes at most
#     airflow          owns Airflow's database, and can use no other
#
# Run again, it only sets the passwords to those of the files in SECRETS.
set -eu
SECRETS=${SECRETS:-/run/secrets}
export SECRETS
for name in OWNER_ LOADER_ READER_ AIRFLOW_ ''; do
    # psql would take an unreadable password for an empty one.
    [ -s "$SECRETS/POSTGRES_${name}PASSWORD" ] && [ -r "$SECRETS/POSTGRES_${name}PASSWORD" ] || {
        echo "$SECRETS/POSTGRES_${name}PASSWORD cannot be read" >&2
        exit 1
    }
done

# On a second run, the server would print a notice for all that is there already.
export PGOPTIONS='--client_min_messages=warning'
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 \
    --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'END'
\set owner_password `cat "$SECRETS/POSTGRES_OWNER_PASSWORD"`
\set loader_password `cat "$SECRETS/POSTGRES_LOADER_PASSWORD"`
\set reader_password `cat "$SECRETS/POSTGRES_READER_PASSWORD"`
\set airflow_password `cat "$SECRETS/POSTGRES_AIRFLOW_PASSWORD"`
\set superuser_password `cat "$SECRETS/POSTGRES_PASSWORD"`

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['vitrina_owner', 'vitrina_loader', 'vitrina_reader', 'airflow']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- The passwords are not to be seen in the server's log, whatever it is told to note.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
ALTER ROLE vitrina_owner LOGIN PASSWORD :'owner_password';
ALTER ROLE vitrina_loader LOGIN PASSWORD :'loader_password';
ALTER ROLE vitrina_reader LOGIN PASSWORD :'reader_password';
ALTER ROLE airflow LOGIN PASSWORD :'airflow_password';
ALTER ROLE CURRENT_USER PASSWORD :'superuser_password';

SELECT format('CREATE DATABASE %I OWNER %I', name, owner)
FROM (VALUES ('vitrina', 'vitrina_owner'), ('airflow', 'airflow')) AS wanted (name, owner)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

REVOKE ALL ON DATABASE vitrina, airflow FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE vitrina TO vitrina_loader;
GRANT CONNECT ON DATABASE vitrina TO vitrina_reader;

-- For whose transactions to wait before an old batch is dropped; without it, for everybody's.
GRANT pg_read_all_stats TO vitrina_loader;
-- `sale_by_load` gets partitions from the loader, which takes its ownership: the owner gives it
-- away.
GRANT vitrina_loader TO vitrina_owner;

ALTER ROLE vitrina_owner SET search_path = vitrina;
ALTER ROLE vitrina_loader SET search_path = vitrina;
ALTER ROLE vitrina_reader SET search_path = vitrina;
-- An old batch is dropped once nobody can read it any more.
ALTER ROLE vitrina_reader SET default_transaction_read_only = on;
ALTER ROLE vitrina_reader SET statement_timeout = '5min';
ALTER ROLE vitrina_reader SET idle_in_transaction_session_timeout = '1min';

\connect vitrina
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS vitrina AUTHORIZATION vitrina_owner;
GRANT USAGE, CREATE ON SCHEMA vitrina TO vitrina_loader;
GRANT USAGE ON SCHEMA vitrina TO vitrina_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE vitrina_owner IN SCHEMA vitrina
    GRANT SELECT, INSERT, UPDATE, DELETE, MAINTAIN ON TABLES TO vitrina_loader;
ALTER DEFAULT PRIVILEGES FOR ROLE vitrina_owner IN SCHEMA vitrina
    GRANT SELECT ON TABLES TO vitrina_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE vitrina_loader IN SCHEMA vitrina
    GRANT SELECT ON TABLES TO vitrina_reader;
END
