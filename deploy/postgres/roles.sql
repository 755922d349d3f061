-- Two roles of a history, for its owner, or an administrator, to run once: qflib store roles | psql
-- The writer adds rows, and makes and drops partitions by functions of the owner's; it changes and deletes no row.
-- Users are given a role: GRANT qflib_writer TO archive; GRANT qflib_reader TO api;
-- Neither needs temporary tables, which PostgreSQL lets everybody make. In a database that is the history's alone:
-- REVOKE TEMPORARY ON DATABASE market FROM PUBLIC;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'qflib_reader') THEN CREATE ROLE qflib_reader NOLOGIN; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'qflib_writer') THEN CREATE ROLE qflib_writer NOLOGIN; END IF;
END $$;

REVOKE ALL ON SCHEMA qflib FROM PUBLIC;
GRANT USAGE ON SCHEMA qflib TO qflib_reader, qflib_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA qflib TO qflib_reader, qflib_writer;
GRANT INSERT ON ALL TABLES IN SCHEMA qflib TO qflib_writer;
REVOKE INSERT ON qflib.migrations, qflib._yoyo_log, qflib._yoyo_version FROM qflib_writer;
-- Of tables that a later migration makes: they are the owner's, whoever runs this.
DO $$
DECLARE
    given text := 'ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA qflib GRANT %s ON TABLES TO %s';
    owner regrole := (SELECT relowner FROM pg_class WHERE oid = 'qflib.migrations'::regclass);
BEGIN
    EXECUTE format(given, owner, 'SELECT', 'qflib_reader, qflib_writer');
    EXECUTE format(given, owner, 'INSERT', 'qflib_writer');
END $$;
GRANT UPDATE ON qflib.offsets, qflib.days, qflib.clusters TO qflib_writer;
GRANT EXECUTE ON FUNCTION qflib.partitions_of(name) TO qflib_reader, qflib_writer;
GRANT EXECUTE ON FUNCTION qflib.make_partition(name, date), qflib.drop_partition(name, date),
    qflib.index_partition(name, date, name[]), qflib.summarize_partition(name, date) TO qflib_writer;
