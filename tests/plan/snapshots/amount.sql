
-- PREDICT orders.amount FOR EACH orders.id
-- Run it in DuckDB, with the database attached and in use:
--   duckdb -cmd "ATTACH 'my.duckdb' AS asked (READ_ONLY); USE asked" < this-file.sql
ATTACH ':memory:' AS foretell;

-- Table orders: each row visible from __time on; __row is its rank in (time, key) order.
CREATE OR REPLACE TABLE foretell."orders" AS
SELECT
  *,
  ROW_NUMBER() OVER (ORDER BY q."__time", q."id") AS "__row"
FROM (
  SELECT
    r."id" AS "id",
    r."customer" AS "customer",
    r."at" AS "at",
    r."amount" AS "amount",
    r."channel" AS "channel",
    r."delivered" AS "delivered",
    r."rating" AS "rating",
    r."at" AS "__time"
  FROM "orders" AS r
) AS q
WHERE
  NOT q."__time" IS NULL;

-- The cutoffs.
CREATE OR REPLACE TABLE foretell."cutoffs" AS
SELECT
  *
FROM (VALUES
  (CAST('2024-04-01' AS TIMESTAMP))) AS c("cutoff");

-- Who exists at each cutoff.
CREATE OR REPLACE TABLE foretell."population_1" AS
SELECT
  e."__row" AS entity,
  e."__time" - INTERVAL (1) MICROSECOND AS cutoff,
  c."cutoff" AS asked
FROM foretell."orders" AS e
CROSS JOIN foretell."cutoffs" AS c
WHERE
  e."__time" <= c."cutoff";

-- The labels of those that WHERE chooses, where ASSUMING held and there is a value.
CREATE OR REPLACE TABLE foretell."labels" AS
SELECT
  *
FROM (
  SELECT
    r."entity",
    r."cutoff",
    NULLIF(
      NULLIF(NULLIF(e."amount", CAST('NaN' AS DOUBLE)), CAST('Infinity' AS DOUBLE)),
      CAST('-Infinity' AS DOUBLE)
    ) AS label,
    TRUE AS chosen,
    TRUE AS assumed
  FROM foretell."population_1" AS r
  LEFT JOIN foretell."orders" AS e
    ON e."__row" = r."entity"
  ORDER BY
    r."cutoff",
    r."entity"
) AS l
WHERE
  l."chosen" AND l."assumed" AND NOT l."label" IS NULL;

-- The rows that features are made for.
CREATE OR REPLACE TABLE foretell."rows" AS
SELECT
  ROW_NUMBER() OVER (ORDER BY l."cutoff", l."entity") - 1 AS row,
  l."entity",
  l."cutoff"
FROM foretell."labels" AS l;

-- The labels.
SELECT
  e."id",
  l."cutoff",
  l."label"
FROM foretell."labels" AS l
JOIN foretell."orders" AS e
  ON e."__row" = l."entity"
ORDER BY
  l."cutoff",
  l."entity";

-- 3 features:
--   lines.count.all: number of lines so far
--   lines.price.sum.90d: total price of lines in the last 90 days
--   lines.price.decayed_sum.7d: total price of lines, recent ones counting more

-- Table lines: each row visible from __time on; __row is its rank in (time, key) order.
CREATE OR REPLACE TABLE foretell."lines" AS
SELECT
  *,
  ROW_NUMBER() OVER (ORDER BY q."__time", q."id") AS "__row"
FROM (
  SELECT
    r."id" AS "id",
    r."order" AS "order",
    r."price" AS "price",
    p."__time" AS "__time"
  FROM "lines" AS r
  JOIN foretell."orders" AS p
    ON r."order" = p."id"
) AS q
WHERE
  NOT q."__time" IS NULL;

-- Events of lines → orders: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_3" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k,
  CASE
    WHEN ABS(CAST(e0."price" AS DOUBLE)) < 1e150
    THEN CAST(e0."price" AS DOUBLE)
  END AS v0
FROM foretell."lines" AS e0
JOIN foretell."orders" AS e1
  ON e0."order" = e1."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_2_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_2_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(*) AS rows,
  SUM(e."v0") AS v0_sum,
  SUM(e."v0" * EXP(-0.09902102579427789 * (
    EPOCH(e."t") - EPOCH(e."t")
  ) / 86400.0)) AS v0_dsum_7day
FROM foretell."events_3" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_2_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."rows") AS rows,
  SUM(j."v0_sum") AS v0_sum,
  SUM(j."v0_dsum_7day" * EXP(-0.09902102579427789 * j."lag")) AS v0_dsum_7day
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE
      WHEN u."at" > r."cutoff" - INTERVAL '7' DAY
      THEN 0
      WHEN u."at" > r."cutoff" - INTERVAL '90' DAY
      THEN 1
      ELSE 2
    END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."rows",
    u."v0_sum",
    u."v0_dsum_7day"
  FROM foretell."block_2_units" AS u
  JOIN foretell."block_2_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_4" AS
SELECT
  g."row",
  COALESCE(SUM(g."rows"), 0) AS "lines.count.all",
  COALESCE(SUM(g."v0_sum") FILTER(WHERE
    g."ring" <= 1), 0) AS "lines.price.sum.90d",
  COALESCE(SUM(g."v0_dsum_7day" * EXP(-0 * 0)), 0) AS "lines.price.decayed_sum.7d"
FROM foretell."block_2_rings" AS g
GROUP BY
  g."row";

-- 2 features:
--   customer>visits.count.30d: number of visits of the same customer in the last 30 days
--   customer>visits.recency.all: days since the last of visits of the same customer so far

-- Table customers: each row visible from __time on; __row is its rank in (time, key) order.
CREATE OR REPLACE TABLE foretell."customers" AS
SELECT
  *,
  ROW_NUMBER() OVER (ORDER BY q."__time", q."id") AS "__row"
FROM (
  SELECT
    r."id" AS "id",
    r."region" AS "region",
    r."joined" AS "joined",
    r."left" AS "left",
    r."joined" AS "__time"
  FROM "customers" AS r
) AS q
WHERE
  NOT q."__time" IS NULL;

-- Table visits: each row visible from __time on; __row is its rank in (time, key) order.
CREATE OR REPLACE TABLE foretell."visits" AS
SELECT
  *,
  ROW_NUMBER() OVER (ORDER BY q."__time", q."id") AS "__row"
FROM (
  SELECT
    r."id" AS "id",
    r."customer" AS "customer",
    r."at" AS "at",
    r."at" + INTERVAL '1' DAY AS "__time"
  FROM "visits" AS r
) AS q
WHERE
  NOT q."__time" IS NULL;

-- Events of visits → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_6" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k
FROM foretell."visits" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_5_rows" AS
SELECT
  r."row",
  a1."__row" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r
LEFT JOIN foretell."orders" AS a0
  ON r."entity" = a0."__row"
LEFT JOIN foretell."customers" AS a1
  ON a0."customer" = a1."id" AND a1."__time" <= r."cutoff"
WHERE
  NOT a1."__row" IS NULL;
CREATE OR REPLACE TABLE foretell."block_5_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(*) AS rows,
  MAX(e."t") AS latest
FROM foretell."events_6" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_5_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."rows") AS rows,
  MAX(j."latest") AS latest
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '30' DAY THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."rows",
    u."latest"
  FROM foretell."block_5_units" AS u
  JOIN foretell."block_5_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_7" AS
SELECT
  g."row",
  COALESCE(SUM(g."rows") FILTER(WHERE
    g."ring" <= 0), 0) AS "customer>visits.count.30d",
  (
    EPOCH(MAX(g."cutoff")) - EPOCH(MAX(g."latest"))
  ) / 86400.0 AS "customer>visits.recency.all"
FROM foretell."block_5_rings" AS g
GROUP BY
  g."row";

-- 2 features:
--   customer>orders.rating.sum.30d: total rating of orders of the same customer in the last 30 days
--   customer>orders.rating.max.all: highest rating of orders of the same customer so far

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_9" AS
SELECT
  e1."__row" AS anchor,
  GREATEST(e0."__time", e0."delivered") AS t,
  ROW_NUMBER() OVER (ORDER BY GREATEST(e0."__time", e0."delivered"), e0."__row") AS k,
  CASE
    WHEN ABS(CAST(e0."rating" AS DOUBLE)) < 1e150
    THEN CAST(e0."rating" AS DOUBLE)
  END AS v0
FROM foretell."orders" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
WHERE
  NOT e0."delivered" IS NULL
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_8_rows" AS
SELECT
  r."row",
  a1."__row" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r
LEFT JOIN foretell."orders" AS a0
  ON r."entity" = a0."__row"
LEFT JOIN foretell."customers" AS a1
  ON a0."customer" = a1."id" AND a1."__time" <= r."cutoff"
WHERE
  NOT a1."__row" IS NULL;
CREATE OR REPLACE TABLE foretell."block_8_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  SUM(e."v0") AS v0_sum,
  MAX(e."v0") AS v0_max
FROM foretell."events_9" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_8_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."v0_sum") AS v0_sum,
  MAX(j."v0_max") AS v0_max
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '30' DAY THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_sum",
    u."v0_max"
  FROM foretell."block_8_units" AS u
  JOIN foretell."block_8_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_10" AS
SELECT
  g."row",
  COALESCE(SUM(g."v0_sum") FILTER(WHERE
    g."ring" <= 0), 0) AS "customer>orders.rating.sum.30d",
  MAX(g."v0_max") AS "customer>orders.rating.max.all"
FROM foretell."block_8_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   cutoff.weekday: weekday of the cutoff
CREATE OR REPLACE TABLE foretell."features_11" AS
SELECT
  r."row",
  CAST(EXTRACT(ISODOW FROM r."cutoff") AS DOUBLE) AS "cutoff.weekday"
FROM foretell."rows" AS r;

-- The features, one row for each (entity, cutoff).
SELECT
  e."id",
  r."cutoff",
  COALESCE(f0."lines.count.all", 0) AS "lines.count.all",
  COALESCE(f0."lines.price.sum.90d", 0) AS "lines.price.sum.90d",
  COALESCE(f0."lines.price.decayed_sum.7d", 0) AS "lines.price.decayed_sum.7d",
  COALESCE(f1."customer>visits.count.30d", 0) AS "customer>visits.count.30d",
  f1."customer>visits.recency.all" AS "customer>visits.recency.all",
  COALESCE(f2."customer>orders.rating.sum.30d", 0) AS "customer>orders.rating.sum.30d",
  f2."customer>orders.rating.max.all" AS "customer>orders.rating.max.all",
  f3."cutoff.weekday" AS "cutoff.weekday"
FROM foretell."rows" AS r
JOIN foretell."orders" AS e
  ON e."__row" = r."entity"
LEFT JOIN foretell."features_4" AS f0
  ON f0."row" = r."row"
LEFT JOIN foretell."features_7" AS f1
  ON f1."row" = r."row"
LEFT JOIN foretell."features_10" AS f2
  ON f2."row" = r."row"
LEFT JOIN foretell."features_11" AS f3
  ON f3."row" = r."row"
ORDER BY
  r."row";
