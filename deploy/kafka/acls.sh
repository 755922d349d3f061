#!/bin/sh
# What each process of a desk may do on Kafka, and no more; written by `qflib broker rights`.
# BOOTSTRAP=HOST:PORT CONFIG=admin.properties PREFIX=User:qflib- sh deploy/kafka/acls.sh
set -eu
add() { kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$CONFIG" --add "$@"; }
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.archive
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.exchange
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.exposures
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.normalize
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.portfolio
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.promoted
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.promoted_events
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic analytics.results
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic analytics.results.dead
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic exchange.marks.dead
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic market.data.normalized
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic market.data.normalized.dead
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --operation Write --topic market.data.raw
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic market.data.raw.dead
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic orders.executed.dead
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --operation Write --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic risk.exposures
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic risk.exposures.dead
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic risk.metrics
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic risk.metrics.dead
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --operation Write --transactional-id qflib.api. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation Read --group qflib.archive
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic analytics.results
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic analytics.results.dead
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic exchange.journal
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic exchange.marks.dead
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic exchange.snapshots
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic exposures.journal
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic exposures.snapshots
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic market.data.normalized
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic market.data.normalized.dead
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic market.data.raw
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic market.data.raw.dead
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic normalize.snapshots
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic orders.executed.dead
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic portfolio.snapshots
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic promoted.journal
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic promoted.snapshots
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic promoted_events.journal
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic promoted_events.snapshots
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic risk.exposures
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic risk.exposures.dead
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic risk.metrics
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic risk.metrics.dead
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic strategy.journal
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic strategy.snapshots
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.archive
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.exchange
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.exposures
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.normalize
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.portfolio
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.promoted
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.promoted_events
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic analytics.results
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic analytics.results.dead
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic exchange.marks.dead
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic market.data.normalized
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic market.data.normalized.dead
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic market.data.raw
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic market.data.raw.dead
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic orders.executed.dead
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic risk.exposures
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic risk.exposures.dead
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic risk.metrics
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic risk.metrics.dead
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.archive
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.exchange
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.exposures
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.monitor
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.normalize
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.portfolio
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.promoted
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.promoted_events
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic analytics.results
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic analytics.results.dead
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic exchange.journal
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic exchange.marks.dead
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic exchange.snapshots
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic exposures.journal
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic exposures.snapshots
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic market.data.normalized
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic market.data.normalized.dead
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic market.data.raw
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic market.data.raw.dead
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic normalize.snapshots
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic orders.executed.dead
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --operation Write --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic portfolio.snapshots
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic promoted.journal
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic promoted.snapshots
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic promoted_events.journal
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic promoted_events.snapshots
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic risk.exposures
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic risk.exposures.dead
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic risk.metrics
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic risk.metrics.dead
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic strategy.journal
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic strategy.snapshots
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --operation Write --transactional-id qflib.opening. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation Read --group qflib.exchange
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Write --topic analytics.results
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Write --topic analytics.results.dead
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation Delete --operation Read --operation Write --topic exchange.journal
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Write --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Write --topic exchange.marks.dead
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation Delete --operation Read --operation Write --topic exchange.snapshots
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Read --topic market.data.normalized
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Write --topic market.data.normalized.dead
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Write --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Write --topic orders.executed.dead
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Read --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Write --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation Describe --operation Write --transactional-id qflib.exchange. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation Read --group qflib.exposures
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation DescribeConfigs --operation Read --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation DescribeConfigs --operation Write --topic exchange.marks.dead
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation Delete --operation Read --operation Write --topic exposures.journal
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation Delete --operation Read --operation Write --topic exposures.snapshots
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation DescribeConfigs --operation Read --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation DescribeConfigs --operation Write --topic orders.executed.dead
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation DescribeConfigs --operation Write --topic risk.exposures
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation DescribeConfigs --operation Write --topic risk.exposures.dead
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation Describe --operation Write --transactional-id qflib.exposures. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.archive
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.exchange
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.exposures
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.normalize
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.portfolio
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.promoted
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.promoted_events
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --topic market.data.normalized
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --operation Read --operation Write --topic market.data.raw
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --topic risk.exposures
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --topic risk.metrics
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.archive
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.exchange
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.exposures
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.monitor
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.normalize
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.portfolio
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.promoted
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.promoted_events
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic analytics.results
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic analytics.results.dead
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic exchange.marks.dead
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic market.data.normalized
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic market.data.normalized.dead
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic market.data.raw
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic market.data.raw.dead
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic orders.executed.dead
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic risk.exposures
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic risk.exposures.dead
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic risk.metrics
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic risk.metrics.dead
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation Read --group qflib.normalize
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation DescribeConfigs --operation Write --topic market.data.normalized
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation DescribeConfigs --operation Write --topic market.data.normalized.dead
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation DescribeConfigs --operation Read --topic market.data.raw
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation DescribeConfigs --operation Write --topic market.data.raw.dead
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation Delete --operation Read --operation Write --topic normalize.snapshots
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation Describe --operation Write --transactional-id qflib.normalize. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}opening" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}opening" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}opening" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}opening" --operation Read --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}opening" --operation Write --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}opening" --operation Describe --operation Write --transactional-id qflib.opening. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation Read --group qflib.portfolio
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation DescribeConfigs --operation Write --topic analytics.results
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation DescribeConfigs --operation Write --topic analytics.results.dead
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation DescribeConfigs --operation Write --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation DescribeConfigs --operation Write --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation Delete --operation Read --operation Write --topic portfolio.snapshots
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation DescribeConfigs --operation Read --topic risk.exposures
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation DescribeConfigs --operation Write --topic risk.exposures.dead
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation DescribeConfigs --operation Write --topic risk.metrics
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation DescribeConfigs --operation Write --topic risk.metrics.dead
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation Describe --operation Write --transactional-id qflib.portfolio. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation Read --group qflib.promoted
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation DescribeConfigs --operation Write --topic analytics.results
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation DescribeConfigs --operation Write --topic analytics.results.dead
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation DescribeConfigs --operation Read --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation DescribeConfigs --operation Write --topic exchange.marks.dead
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation DescribeConfigs --operation Read --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation DescribeConfigs --operation Write --topic orders.executed.dead
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation DescribeConfigs --operation Write --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation DescribeConfigs --operation Write --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation Delete --operation Read --operation Write --topic promoted.journal
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation Delete --operation Read --operation Write --topic promoted.snapshots
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation Describe --operation Write --transactional-id qflib.promoted. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation Read --group qflib.promoted_events
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Write --topic analytics.results
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Write --topic analytics.results.dead
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Read --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Write --topic exchange.marks.dead
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Read --topic market.data.normalized
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Write --topic market.data.normalized.dead
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Read --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Write --topic orders.executed.dead
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Write --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Write --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation Delete --operation Read --operation Write --topic promoted_events.journal
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation Delete --operation Read --operation Write --topic promoted_events.snapshots
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation Describe --operation Write --transactional-id qflib.promoted_events. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation Describe --group qflib.ends --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation Describe --group qflib.read. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation Read --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation Describe --group qflib.views. --resource-pattern-type prefixed
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation DescribeConfigs --operation Read --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation DescribeConfigs --operation Write --topic exchange.marks.dead
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation DescribeConfigs --operation Read --topic market.data.normalized
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation DescribeConfigs --operation Write --topic market.data.normalized.dead
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation DescribeConfigs --operation Read --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation DescribeConfigs --operation Write --topic orders.executed.dead
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation DescribeConfigs --operation Write --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation DescribeConfigs --operation Write --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation Delete --operation Read --operation Write --topic strategy.journal
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation Delete --operation Read --operation Write --topic strategy.snapshots
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation Describe --operation Write --transactional-id qflib.strategy. --resource-pattern-type prefixed
