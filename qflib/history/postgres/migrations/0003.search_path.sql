-- depends: 0002.rows

-- Functions that run as the owner are not to find a caller's temporary view in the place of a table: a temporary schema
-- that search_path does not name is searched first. The catalog that it does not name is searched before all it names.
DO $$
DECLARE
    found regprocedure;
BEGIN
    FOR found IN SELECT oid FROM pg_catalog.pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname IN
        ('make_partition', 'partitions_of', 'drop_partition', 'index_partition', 'summarize_partition') LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', found, current_schema());
    END LOOP;
END $$;
