-- depends: 0001.places

-- A table of rows for each that the history keeps; written by qflib.history.postgres.declared.

CREATE TABLE "events" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "order_id" bigint NOT NULL DEFAULT 0,
    "price_ticks" bigint NOT NULL DEFAULT 0,
    "qty" bigint NOT NULL DEFAULT 0,
    "venue_ns" bigint NOT NULL DEFAULT 0,
    "receipt_ns" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "kind" integer NOT NULL DEFAULT 0,
    "flags" integer NOT NULL DEFAULT 0,
    "instrument" integer NOT NULL DEFAULT 0,
    "side" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL
) PARTITION BY RANGE ("date");
CREATE INDEX "events_time" ON "events" USING brin ("receipt_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "signals" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "strength" double precision NOT NULL DEFAULT 0,
    "horizon_ns" bigint NOT NULL DEFAULT 0,
    "valid_until_ns" bigint NOT NULL DEFAULT 0,
    "receipt_ns" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "instrument" integer NOT NULL DEFAULT 0,
    "direction" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "signal_id" text COLLATE "C" NOT NULL DEFAULT '',
    "strategy" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "signals_time" ON "signals" USING brin ("receipt_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "clocks" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "closing" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL
) PARTITION BY RANGE ("date");
CREATE INDEX "clocks_time" ON "clocks" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "orders" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "price_ticks" bigint NOT NULL DEFAULT 0,
    "qty" bigint NOT NULL DEFAULT 0,
    "hedge_no" bigint NOT NULL DEFAULT 0,
    "request_hash" bigint NOT NULL DEFAULT 0,
    "sent_ns" bigint NOT NULL DEFAULT 0,
    "expire_ns" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "action" integer NOT NULL DEFAULT 0,
    "instrument" integer NOT NULL DEFAULT 0,
    "side" integer NOT NULL DEFAULT 0,
    "ord_type" integer NOT NULL DEFAULT 0,
    "time_in_force" integer NOT NULL DEFAULT 0,
    "book" integer NOT NULL DEFAULT 0,
    "options" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "account" text COLLATE "C" NOT NULL DEFAULT '',
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "client_order_id" text COLLATE "C" NOT NULL DEFAULT '',
    "orig_client_order_id" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "orders_time" ON "orders" USING brin ("sent_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "bookings" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "record_ns" bigint NOT NULL DEFAULT 0,
    "qty" bigint NOT NULL DEFAULT 0,
    "price" double precision NOT NULL DEFAULT 0,
    "exec_id" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "action" integer NOT NULL DEFAULT 0,
    "instrument" integer NOT NULL DEFAULT 0,
    "book" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "booking_id" text COLLATE "C" NOT NULL DEFAULT '',
    "account" text COLLATE "C" NOT NULL DEFAULT '',
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "to_account" text COLLATE "C" NOT NULL DEFAULT '',
    "to_portfolio" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "bookings_time" ON "bookings" USING brin ("record_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "controls" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "record_ns" bigint NOT NULL DEFAULT 0,
    "value" double precision NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "kind" integer NOT NULL DEFAULT 0,
    "instrument" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "control_id" text COLLATE "C" NOT NULL DEFAULT '',
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "name" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "controls_time" ON "controls" USING brin ("record_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "executions" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "exec_id" bigint NOT NULL DEFAULT 0,
    "order_id" bigint NOT NULL DEFAULT 0,
    "contra_id" bigint NOT NULL DEFAULT 0,
    "price_ticks" bigint NOT NULL DEFAULT 0,
    "qty" bigint NOT NULL DEFAULT 0,
    "cum_qty" bigint NOT NULL DEFAULT 0,
    "leaves_qty" bigint NOT NULL DEFAULT 0,
    "price" double precision NOT NULL DEFAULT 0,
    "fee" double precision NOT NULL DEFAULT 0,
    "cash" double precision NOT NULL DEFAULT 0,
    "hedge_no" bigint NOT NULL DEFAULT 0,
    "request_hash" bigint NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "queue_ahead" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "exec_type" integer NOT NULL DEFAULT 0,
    "ord_status" integer NOT NULL DEFAULT 0,
    "reason" integer NOT NULL DEFAULT 0,
    "instrument" integer NOT NULL DEFAULT 0,
    "side" integer NOT NULL DEFAULT 0,
    "liquidity" integer NOT NULL DEFAULT 0,
    "book" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "account" text COLLATE "C" NOT NULL DEFAULT '',
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "client_order_id" text COLLATE "C" NOT NULL DEFAULT '',
    "orig_client_order_id" text COLLATE "C" NOT NULL DEFAULT '',
    "to_portfolio" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "executions_time" ON "executions" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "risk" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "level" double precision NOT NULL DEFAULT 0,
    "horizon_ns" bigint NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "as_of_ns" bigint NOT NULL DEFAULT 0,
    "es_unhedged" double precision NOT NULL DEFAULT 0,
    "es_current" double precision NOT NULL DEFAULT 0,
    "es_target" double precision NOT NULL DEFAULT 0,
    "var_unhedged" double precision NOT NULL DEFAULT 0,
    "var_current" double precision NOT NULL DEFAULT 0,
    "var_target" double precision NOT NULL DEFAULT 0,
    "target_cost" double precision NOT NULL DEFAULT 0,
    "newest_ns" bigint NOT NULL DEFAULT 0,
    "vector_error" double precision NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "n_scenarios" integer NOT NULL DEFAULT 0,
    "decay" integer NOT NULL DEFAULT 0,
    "n_tail" integer NOT NULL DEFAULT 0,
    "unpriced" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "set_id" text COLLATE "C" NOT NULL DEFAULT '',
    "dynamics" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "risk_time" ON "risk" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "positions" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "record_ns" bigint NOT NULL DEFAULT 0,
    "qty" bigint NOT NULL DEFAULT 0,
    "avg_price" double precision NOT NULL DEFAULT 0,
    "mark" double precision NOT NULL DEFAULT 0,
    "implied_vol" double precision NOT NULL DEFAULT 0,
    "value" double precision NOT NULL DEFAULT 0,
    "delta" double precision NOT NULL DEFAULT 0,
    "unrealised" double precision NOT NULL DEFAULT 0,
    "realised" double precision NOT NULL DEFAULT 0,
    "fees" double precision NOT NULL DEFAULT 0,
    "lot_value" double precision NOT NULL DEFAULT 0,
    "fx" double precision NOT NULL DEFAULT 0,
    "gamma" double precision NOT NULL DEFAULT 0,
    "vega" double precision NOT NULL DEFAULT 0,
    "theta" double precision NOT NULL DEFAULT 0,
    "own_forward" double precision NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "instrument" integer NOT NULL DEFAULT 0,
    "book" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "positions_time" ON "positions" USING brin ("record_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "greeks" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "value" double precision NOT NULL DEFAULT 0,
    "delta" double precision NOT NULL DEFAULT 0,
    "gamma" double precision NOT NULL DEFAULT 0,
    "vega" double precision NOT NULL DEFAULT 0,
    "theta" double precision NOT NULL DEFAULT 0,
    "rho" double precision NOT NULL DEFAULT 0,
    "vanna" double precision NOT NULL DEFAULT 0,
    "volga" double precision NOT NULL DEFAULT 0,
    "cash_delta" double precision NOT NULL DEFAULT 0,
    "realised" double precision NOT NULL DEFAULT 0,
    "unrealised" double precision NOT NULL DEFAULT 0,
    "forward" double precision NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "as_of_ns" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "book" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "underlying" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "greeks_time" ON "greeks" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "limits" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "record_ns" bigint NOT NULL DEFAULT 0,
    "value" double precision NOT NULL DEFAULT 0,
    "bound" double precision NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "breached" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "name" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "limits_time" ON "limits" USING brin ("record_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "hedges" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "record_ns" bigint NOT NULL DEFAULT 0,
    "qty" bigint NOT NULL DEFAULT 0,
    "price" double precision NOT NULL DEFAULT 0,
    "cost" double precision NOT NULL DEFAULT 0,
    "hedge_no" bigint NOT NULL DEFAULT 0,
    "net_delta" double precision NOT NULL DEFAULT 0,
    "band" double precision NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "instrument" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "hedges_time" ON "hedges" USING brin ("record_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "explain" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "from_ns" bigint NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "delta" double precision NOT NULL DEFAULT 0,
    "gamma" double precision NOT NULL DEFAULT 0,
    "vega" double precision NOT NULL DEFAULT 0,
    "theta" double precision NOT NULL DEFAULT 0,
    "rho" double precision NOT NULL DEFAULT 0,
    "vanna" double precision NOT NULL DEFAULT 0,
    "volga" double precision NOT NULL DEFAULT 0,
    "charm" double precision NOT NULL DEFAULT 0,
    "veta" double precision NOT NULL DEFAULT 0,
    "carry" double precision NOT NULL DEFAULT 0,
    "fees" double precision NOT NULL DEFAULT 0,
    "slippage" double precision NOT NULL DEFAULT 0,
    "unexplained" double precision NOT NULL DEFAULT 0,
    "total" double precision NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "book" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "underlying" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "explain_time" ON "explain" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "min_variance" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "n" bigint NOT NULL DEFAULT 0,
    "a" double precision NOT NULL DEFAULT 0,
    "b" double precision NOT NULL DEFAULT 0,
    "c" double precision NOT NULL DEFAULT 0,
    "gain" double precision NOT NULL DEFAULT 0,
    "correction" double precision NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "used" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "underlying" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "min_variance_time" ON "min_variance" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "tops" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "bid_ticks" bigint NOT NULL DEFAULT 0,
    "bid_qty" bigint NOT NULL DEFAULT 0,
    "ask_ticks" bigint NOT NULL DEFAULT 0,
    "ask_qty" bigint NOT NULL DEFAULT 0,
    "last_ticks" bigint NOT NULL DEFAULT 0,
    "last_qty" bigint NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "bid_depth" bigint NOT NULL DEFAULT 0,
    "ask_depth" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "instrument" integer NOT NULL DEFAULT 0,
    "status" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL
) PARTITION BY RANGE ("date");
CREATE INDEX "tops_time" ON "tops" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "depth" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "record_ns" bigint NOT NULL DEFAULT 0,
    "price_ticks" bigint NOT NULL DEFAULT 0,
    "qty" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "instrument" integer NOT NULL DEFAULT 0,
    "side" integer NOT NULL DEFAULT 0,
    "level" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL
) PARTITION BY RANGE ("date");
CREATE INDEX "depth_time" ON "depth" USING brin ("record_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "trades" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "price_ticks" bigint NOT NULL DEFAULT 0,
    "qty" bigint NOT NULL DEFAULT 0,
    "venue_ns" bigint NOT NULL DEFAULT 0,
    "receipt_ns" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "instrument" integer NOT NULL DEFAULT 0,
    "side" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL
) PARTITION BY RANGE ("date");
CREATE INDEX "trades_time" ON "trades" USING brin ("receipt_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "rolling" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "level" double precision NOT NULL DEFAULT 0,
    "es" double precision NOT NULL DEFAULT 0,
    "var" double precision NOT NULL DEFAULT 0,
    "pnl" double precision NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "period_ns" bigint NOT NULL DEFAULT 0,
    "forecast_es" double precision NOT NULL DEFAULT 0,
    "forecast_var" double precision NOT NULL DEFAULT 0,
    "decay" double precision NOT NULL DEFAULT 0,
    "es_weighted" double precision NOT NULL DEFAULT 0,
    "var_weighted" double precision NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "window" integer NOT NULL DEFAULT 0,
    "n" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "outcome" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "rolling_time" ON "rolling" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "components" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "contribution" double precision NOT NULL DEFAULT 0,
    "level" double precision NOT NULL DEFAULT 0,
    "es" double precision NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "instrument" integer NOT NULL DEFAULT 0,
    "book" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "by" text COLLATE "C" NOT NULL DEFAULT '',
    "underlying" text COLLATE "C" NOT NULL DEFAULT '',
    "name" text COLLATE "C" NOT NULL DEFAULT '',
    "set_id" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "components_time" ON "components" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "evidence" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "level" double precision NOT NULL DEFAULT 0,
    "n" bigint NOT NULL DEFAULT 0,
    "e" double precision NOT NULL DEFAULT 0,
    "log_e" double precision NOT NULL DEFAULT 0,
    "log_e_max" double precision NOT NULL DEFAULT 0,
    "alarm_ns" bigint NOT NULL DEFAULT 0,
    "pnl" double precision NOT NULL DEFAULT 0,
    "forecast_es" double precision NOT NULL DEFAULT 0,
    "forecast_var" double precision NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "period_ns" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "alarm" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "measure" text COLLATE "C" NOT NULL DEFAULT '',
    "betting" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "evidence_time" ON "evidence" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "figures" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "value" double precision NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "version" integer NOT NULL DEFAULT 0,
    "instrument" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "step" text COLLATE "C" NOT NULL DEFAULT '',
    "field" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "figures_time" ON "figures" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "shadow_orders" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "price_ticks" bigint NOT NULL DEFAULT 0,
    "qty" bigint NOT NULL DEFAULT 0,
    "hedge_no" bigint NOT NULL DEFAULT 0,
    "request_hash" bigint NOT NULL DEFAULT 0,
    "sent_ns" bigint NOT NULL DEFAULT 0,
    "expire_ns" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "action" integer NOT NULL DEFAULT 0,
    "instrument" integer NOT NULL DEFAULT 0,
    "side" integer NOT NULL DEFAULT 0,
    "ord_type" integer NOT NULL DEFAULT 0,
    "time_in_force" integer NOT NULL DEFAULT 0,
    "book" integer NOT NULL DEFAULT 0,
    "options" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "account" text COLLATE "C" NOT NULL DEFAULT '',
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "client_order_id" text COLLATE "C" NOT NULL DEFAULT '',
    "orig_client_order_id" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "shadow_orders_time" ON "shadow_orders" USING brin ("sent_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "places" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "order_id" bigint NOT NULL DEFAULT 0,
    "queue_ahead" bigint NOT NULL DEFAULT 0,
    "leaves_qty" bigint NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "instrument" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "account" text COLLATE "C" NOT NULL DEFAULT '',
    "client_order_id" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "places_time" ON "places" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "exposures" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "as_of_ns" bigint NOT NULL DEFAULT 0,
    "forward" double precision NOT NULL DEFAULT 0,
    "actual_pnl" double precision NOT NULL DEFAULT 0,
    "outcome_ns" bigint NOT NULL DEFAULT 0,
    "vector_error" double precision NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "closing" integer NOT NULL DEFAULT 0,
    "unpriced" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "underlying" text COLLATE "C" NOT NULL DEFAULT '',
    "set_id" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "exposures_time" ON "exposures" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE "exposure_greeks" (
    "offset" bigint NOT NULL DEFAULT 0,
    "epoch" bigint NOT NULL DEFAULT 0,
    "seq" bigint NOT NULL DEFAULT 0,
    "value" double precision NOT NULL DEFAULT 0,
    "delta" double precision NOT NULL DEFAULT 0,
    "gamma" double precision NOT NULL DEFAULT 0,
    "vega" double precision NOT NULL DEFAULT 0,
    "theta" double precision NOT NULL DEFAULT 0,
    "rho" double precision NOT NULL DEFAULT 0,
    "vanna" double precision NOT NULL DEFAULT 0,
    "volga" double precision NOT NULL DEFAULT 0,
    "cash_delta" double precision NOT NULL DEFAULT 0,
    "realised" double precision NOT NULL DEFAULT 0,
    "unrealised" double precision NOT NULL DEFAULT 0,
    "forward" double precision NOT NULL DEFAULT 0,
    "time_ns" bigint NOT NULL DEFAULT 0,
    "as_of_ns" bigint NOT NULL DEFAULT 0,
    "date" date NOT NULL,
    "partition" integer NOT NULL DEFAULT 0,
    "row" integer NOT NULL DEFAULT 0,
    "source" integer NOT NULL,
    "book" integer NOT NULL DEFAULT 0,
    "cluster" smallint NOT NULL,
    "portfolio" text COLLATE "C" NOT NULL DEFAULT '',
    "underlying" text COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE ("date");
CREATE INDEX "exposure_greeks_time" ON "exposure_greeks" USING brin ("time_ns", "offset") WITH (pages_per_range = 32, autosummarize = on);
