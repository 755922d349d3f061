#!/bin/sh
# What each process of a desk may do on Kafka, and no more; written by `qflib broker rights`.
# BOOTSTRAP=HOST:PORT CONFIG=admin.properties PREFIX=User:qflib- sh deploy/kafka/acls.sh
set -eu
add() { kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$CONFIG" --add "$@"; }
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --group qflib.archive --group qflib.exchange --group qflib.exposures --group qflib.normalize --group qflib.portfolio --group qflib.promoted --group qflib.promoted_events --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --topic analytics.results --topic analytics.results.dead --topic exchange.marks --topic exchange.marks.dead --topic market.data.normalized --topic market.data.normalized.dead --topic market.data.raw.dead --topic orders.executed --topic orders.executed.dead --topic orders.incoming.dead --topic risk.exposures --topic risk.exposures.dead --topic risk.metrics --topic risk.metrics.dead
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Read --operation Write --topic market.data.raw --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}api" --operation Describe --operation Write --resource-pattern-type prefixed --transactional-id qflib.api.
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation Read --group qflib.archive
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}archive" --operation DescribeConfigs --operation Read --topic analytics.results --topic analytics.results.dead --topic exchange.journal --topic exchange.marks --topic exchange.marks.dead --topic exchange.snapshots --topic exposures.journal --topic exposures.snapshots --topic market.data.normalized --topic market.data.normalized.dead --topic market.data.raw --topic market.data.raw.dead --topic normalize.snapshots --topic orders.executed --topic orders.executed.dead --topic orders.incoming --topic orders.incoming.dead --topic portfolio.snapshots --topic promoted.journal --topic promoted.snapshots --topic promoted_events.journal --topic promoted_events.snapshots --topic risk.exposures --topic risk.exposures.dead --topic risk.metrics --topic risk.metrics.dead --topic strategy.journal --topic strategy.snapshots
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --group qflib.archive --group qflib.exchange --group qflib.exposures --group qflib.normalize --group qflib.portfolio --group qflib.promoted --group qflib.promoted_events --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}dash" --operation Read --topic analytics.results --topic analytics.results.dead --topic exchange.marks --topic exchange.marks.dead --topic market.data.normalized --topic market.data.normalized.dead --topic market.data.raw --topic market.data.raw.dead --topic orders.executed --topic orders.executed.dead --topic orders.incoming --topic orders.incoming.dead --topic risk.exposures --topic risk.exposures.dead --topic risk.metrics --topic risk.metrics.dead
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --group qflib.archive --group qflib.exchange --group qflib.exposures --group qflib.monitor --group qflib.normalize --group qflib.portfolio --group qflib.promoted --group qflib.promoted_events --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --topic analytics.results --topic analytics.results.dead --topic exchange.journal --topic exchange.marks --topic exchange.marks.dead --topic exchange.snapshots --topic exposures.journal --topic exposures.snapshots --topic market.data.normalized --topic market.data.normalized.dead --topic market.data.raw --topic market.data.raw.dead --topic normalize.snapshots --topic orders.executed --topic orders.executed.dead --topic orders.incoming.dead --topic portfolio.snapshots --topic promoted.journal --topic promoted.snapshots --topic promoted_events.journal --topic promoted_events.snapshots --topic risk.exposures --topic risk.exposures.dead --topic risk.metrics --topic risk.metrics.dead --topic strategy.journal --topic strategy.snapshots
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Alter --operation AlterConfigs --operation Create --operation DescribeConfigs --operation Read --operation Write --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}desk" --operation Describe --operation Write --resource-pattern-type prefixed --transactional-id qflib.opening.
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation Read --group qflib.exchange
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Write --topic analytics.results --topic analytics.results.dead --topic exchange.marks --topic exchange.marks.dead --topic market.data.normalized.dead --topic orders.executed --topic orders.executed.dead --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation Delete --operation Read --operation Write --topic exchange.journal --topic exchange.snapshots
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation DescribeConfigs --operation Read --topic market.data.normalized --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}exchange" --operation Describe --operation Write --resource-pattern-type prefixed --transactional-id qflib.exchange.
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation Read --group qflib.exposures
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation DescribeConfigs --operation Read --topic exchange.marks --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation DescribeConfigs --operation Write --topic exchange.marks.dead --topic orders.executed.dead --topic risk.exposures --topic risk.exposures.dead
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation Delete --operation Read --operation Write --topic exposures.journal --topic exposures.snapshots
add --allow-principal "${PREFIX:-User:qflib-}exposures" --operation Describe --operation Write --resource-pattern-type prefixed --transactional-id qflib.exposures.
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --group qflib.archive --group qflib.exchange --group qflib.exposures --group qflib.normalize --group qflib.portfolio --group qflib.promoted --group qflib.promoted_events --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Read --topic exchange.marks --topic market.data.normalized --topic orders.executed --topic orders.incoming --topic risk.exposures
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Read --operation Write --topic market.data.raw
add --allow-principal "${PREFIX:-User:qflib-}ingest" --operation Describe --topic risk.metrics
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --group qflib.archive --group qflib.exchange --group qflib.exposures --group qflib.monitor --group qflib.normalize --group qflib.portfolio --group qflib.promoted --group qflib.promoted_events --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}monitor" --operation Read --topic analytics.results --topic analytics.results.dead --topic exchange.marks --topic exchange.marks.dead --topic market.data.normalized --topic market.data.normalized.dead --topic market.data.raw --topic market.data.raw.dead --topic orders.executed --topic orders.executed.dead --topic orders.incoming --topic orders.incoming.dead --topic risk.exposures --topic risk.exposures.dead --topic risk.metrics --topic risk.metrics.dead
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation Read --group qflib.normalize
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation DescribeConfigs --operation Write --topic market.data.normalized --topic market.data.normalized.dead --topic market.data.raw.dead
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation DescribeConfigs --operation Read --topic market.data.raw
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation Delete --operation Read --operation Write --topic normalize.snapshots
add --allow-principal "${PREFIX:-User:qflib-}normalize" --operation Describe --operation Write --resource-pattern-type prefixed --transactional-id qflib.normalize.
add --allow-principal "${PREFIX:-User:qflib-}opening" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}opening" --operation Read --topic exchange.marks
add --allow-principal "${PREFIX:-User:qflib-}opening" --operation Write --topic orders.incoming
add --allow-principal "${PREFIX:-User:qflib-}opening" --operation Describe --operation Write --resource-pattern-type prefixed --transactional-id qflib.opening.
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation Read --group qflib.portfolio
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation DescribeConfigs --operation Write --topic analytics.results --topic analytics.results.dead --topic orders.incoming --topic orders.incoming.dead --topic risk.exposures.dead --topic risk.metrics --topic risk.metrics.dead
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation Delete --operation Read --operation Write --topic portfolio.snapshots
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation DescribeConfigs --operation Read --topic risk.exposures
add --allow-principal "${PREFIX:-User:qflib-}portfolio" --operation Describe --operation Write --resource-pattern-type prefixed --transactional-id qflib.portfolio.
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation Read --group qflib.promoted
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation DescribeConfigs --operation Write --topic analytics.results --topic analytics.results.dead --topic exchange.marks.dead --topic orders.executed.dead --topic orders.incoming --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation DescribeConfigs --operation Read --topic exchange.marks --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation Delete --operation Read --operation Write --topic promoted.journal --topic promoted.snapshots
add --allow-principal "${PREFIX:-User:qflib-}promoted" --operation Describe --operation Write --resource-pattern-type prefixed --transactional-id qflib.promoted.
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation Read --group qflib.promoted_events
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Write --topic analytics.results --topic analytics.results.dead --topic exchange.marks.dead --topic market.data.normalized.dead --topic orders.executed.dead --topic orders.incoming --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation DescribeConfigs --operation Read --topic exchange.marks --topic market.data.normalized --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation Delete --operation Read --operation Write --topic promoted_events.journal --topic promoted_events.snapshots
add --allow-principal "${PREFIX:-User:qflib-}promoted_events" --operation Describe --operation Write --resource-pattern-type prefixed --transactional-id qflib.promoted_events.
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation Describe --resource-pattern-type prefixed --group qflib.ends --group qflib.read. --group qflib.views.
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation Read --group qflib.strategy
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation DescribeConfigs --operation Read --topic exchange.marks --topic market.data.normalized --topic orders.executed
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation DescribeConfigs --operation Write --topic exchange.marks.dead --topic market.data.normalized.dead --topic orders.executed.dead --topic orders.incoming --topic orders.incoming.dead
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation Delete --operation Read --operation Write --topic strategy.journal --topic strategy.snapshots
add --allow-principal "${PREFIX:-User:qflib-}strategy" --operation Describe --operation Write --resource-pattern-type prefixed --transactional-id qflib.strategy.
