-- What every table of rows needs beside it: names once, offsets, days, and partitions by the owner's leave.

CREATE TABLE clusters (
    id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    instruments text,
    registered timestamptz
);
COMMENT ON TABLE clusters IS 'Kafka clusters; the instrument table (TOML) of those that were registered';

CREATE TABLE sources (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);
COMMENT ON TABLE sources IS 'Who numbered the records: a name once, its number in every row';

CREATE TABLE offsets (
    "table" text COLLATE "C" NOT NULL,
    log text COLLATE "C" NOT NULL,
    cluster smallint NOT NULL REFERENCES clusters,
    topic text COLLATE "C" NOT NULL,
    "partition" integer NOT NULL,
    next bigint NOT NULL,
    writer uuid NOT NULL,
    PRIMARY KEY ("table", log)
);
COMMENT ON TABLE offsets IS 'The first offset of a log that a table does not hold, changed in the transaction of its rows';

CREATE TABLE days (
    "table" text COLLATE "C" NOT NULL,
    cluster smallint NOT NULL REFERENCES clusters,
    day date NOT NULL,
    rows bigint NOT NULL,
    written timestamptz NOT NULL,
    PRIMARY KEY ("table", cluster, day)
);
COMMENT ON TABLE days IS 'Rows a table, cluster and day, and when the last of them came';

CREATE TABLE batches (
    append_ns bigint NOT NULL,
    "offset" bigint NOT NULL,
    length bigint NOT NULL,
    "date" date NOT NULL,
    "partition" integer NOT NULL,
    cluster smallint NOT NULL,
    topic text COLLATE "C" NOT NULL,
    key bytea,
    sha256 bytea,
    headers bytea[] NOT NULL,
    value bytea
) PARTITION BY RANGE ("date");
COMMENT ON COLUMN batches.headers IS 'name, value, name, value, ... as bytes';
COMMENT ON COLUMN batches.value IS 'null where sha256 stands for it, and where there was none (length -1)';
-- Columns packed as bytes do not shrink by what PostgreSQL packs with, and trying costs more than writing them.
ALTER TABLE batches ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX batches_place ON batches (topic, "partition", "offset");
CREATE INDEX batches_time ON batches USING brin (append_ns) WITH (pages_per_range = 32, autosummarize = on);

-- A writer makes and takes away partitions by these, and owns no table.
CREATE FUNCTION make_partition(parent name, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    child name := parent || to_char(day, '"_"YYYYMMDD');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = to_regclass(quote_ident(parent))) THEN
        RAISE undefined_table USING MESSAGE = format('%s is no table of the history', parent);
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('qflib.partition'), hashtext(child));
    IF to_regclass(quote_ident(child)) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- Made beside and attached: CREATE ... PARTITION OF would wait for everybody who reads or writes the table.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING STORAGE)', child, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, day, day + 1);
    RETURN true;
END $$;

CREATE FUNCTION partitions_of(parent name) RETURNS TABLE (child name, day date)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT c.relname, to_date(right(c.relname, 8), 'YYYYMMDD')
    FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
    WHERE inhparent = to_regclass(quote_ident(parent)) ORDER BY 2
$$;

CREATE FUNCTION drop_partition(parent name, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    found name;
BEGIN
    SELECT p.child INTO found FROM partitions_of(parent) p WHERE p.day = drop_partition.day;
    IF found IS NULL THEN
        RETURN false;
    END IF;
    PERFORM set_config('lock_timeout', '2s', true);
    EXECUTE format('DROP TABLE %I', found);
    DELETE FROM days d WHERE d."table" = parent AND d.day = drop_partition.day;
    RETURN true;
END $$;

CREATE FUNCTION index_partition(parent name, day date, columns name[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    found name;
BEGIN
    SELECT p.child INTO found FROM partitions_of(parent) p WHERE p.day = index_partition.day;
    IF found IS NULL OR to_regclass(quote_ident(found || '_instrument')) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE INDEX %I ON %I (%s)', found || '_instrument', found,
                   (SELECT string_agg(quote_ident(c), ', ') FROM unnest(columns) c));
    EXECUTE format('ANALYZE %I', found);  -- the planner would not take the index of a table that it knows nothing of
    RETURN true;
END $$;

-- Pages that a BRIN tells nothing of yet are read by every question.
CREATE FUNCTION summarize_partition(parent name, day date) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT coalesce(sum(brin_summarize_new_values(i.indexrelid)), 0)
    FROM partitions_of(parent) p
    JOIN pg_index i ON i.indrelid = to_regclass(quote_ident(p.child))
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am a ON a.oid = c.relam AND a.amname = 'brin'
    WHERE p.day = summarize_partition.day
$$;
REVOKE EXECUTE ON FUNCTION make_partition(name, date), drop_partition(name, date), index_partition(name, date, name[]),
    summarize_partition(name, date) FROM PUBLIC;
