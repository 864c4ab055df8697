
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

-- 1 features:
--   customer>customers.left.age: days since left of its customer

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
CREATE OR REPLACE TABLE foretell."features_2" AS
SELECT
  r."row",
  CASE
    WHEN a1."left" <= r."cutoff"
    THEN (
      EPOCH(r."cutoff") - EPOCH(a1."left")
    ) / 86400.0
  END AS "customer>customers.left.age"
FROM foretell."rows" AS r
LEFT JOIN foretell."orders" AS a0
  ON r."entity" = a0."__row"
LEFT JOIN foretell."customers" AS a1
  ON a0."customer" = a1."id" AND a1."__time" <= r."cutoff";

-- 2 features:
--   lines.tenure.all: days since the first of lines so far
--   lines.price.mean.90d: mean price of lines in the last 90 days

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
CREATE OR REPLACE TABLE foretell."events_4" AS
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
CREATE OR REPLACE TABLE foretell."block_3_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_3_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  MIN(e."t") AS first,
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum
FROM foretell."events_4" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_3_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  MIN(j."first") AS first,
  SUM(j."v0_n") AS v0_n,
  SUM(j."v0_sum") AS v0_sum
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '90' DAY THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."first",
    u."v0_n",
    u."v0_sum"
  FROM foretell."block_3_units" AS u
  JOIN foretell."block_3_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_5" AS
SELECT
  g."row",
  (
    EPOCH(MAX(g."cutoff")) - EPOCH(MIN(g."first"))
  ) / 86400.0 AS "lines.tenure.all",
  CASE
    WHEN SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0) > 0
    THEN SUM(g."v0_sum") FILTER(WHERE
      g."ring" <= 0) / SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0)
  END AS "lines.price.mean.90d"
FROM foretell."block_3_rings" AS g
GROUP BY
  g."row";

-- 5 features:
--   customer>orders.count.7d: number of orders of the same customer in the last 7 days
--   customer>orders.count.90d: number of orders of the same customer in the last 90 days
--   customer>orders.decayed_count.7d: number of orders of the same customer, recent ones counting more
--   customer>orders.channel.last_category.all: last channel of orders of the same customer so far
--   customer>orders.channel=web.mean.all: share of orders of the same customer with channel = web so far

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_7" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k,
  CAST(e0."channel" AS TEXT) AS v0,
  CAST(CAST((
    TRY_CAST(e0."channel" AS TEXT) = 'web'
  ) AS INT) AS DOUBLE) AS v1
FROM foretell."orders" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_6_rows" AS
SELECT
  r."row",
  a1."__row" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r
LEFT JOIN foretell."orders" AS a0
  ON r."entity" = a0."__row"
LEFT JOIN foretell."customers" AS a1
  ON a0."customer" = a1."id" AND a1."__time" <= r."cutoff"
WHERE
  NOT a1."__row" IS NULL;
CREATE OR REPLACE TABLE foretell."block_6_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(*) AS rows,
  SUM(EXP(-0.09902102579427789 * (
    EPOCH(e."t") - EPOCH(e."t")
  ) / 86400.0)) AS drows_7day,
  ARG_MAX(e."v0", e."k") AS v0_last,
  MAX(CASE WHEN NOT e."v0" IS NULL THEN e."k" END) AS v0_last_k,
  COUNT(e."v1") AS v1_n,
  SUM(e."v1") AS v1_sum
FROM foretell."events_7" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_6_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."rows") AS rows,
  SUM(j."drows_7day" * EXP(-0.09902102579427789 * j."lag")) AS drows_7day,
  ARG_MAX(j."v0_last", j."v0_last_k") AS v0_last,
  MAX(j."v0_last_k") AS v0_last_k,
  SUM(j."v1_n") AS v1_n,
  SUM(j."v1_sum") AS v1_sum
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
    u."drows_7day",
    u."v0_last",
    u."v0_last_k",
    u."v1_n",
    u."v1_sum"
  FROM foretell."block_6_units" AS u
  JOIN foretell."block_6_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_8" AS
SELECT
  g."row",
  COALESCE(SUM(g."rows") FILTER(WHERE
    g."ring" <= 0), 0) AS "customer>orders.count.7d",
  COALESCE(SUM(g."rows") FILTER(WHERE
    g."ring" <= 1), 0) AS "customer>orders.count.90d",
  SUM(g."drows_7day" * EXP(-0 * 0)) AS "customer>orders.decayed_count.7d",
  ARG_MAX(g."v0_last", g."v0_last_k") AS "customer>orders.channel.last_category.all",
  CASE WHEN SUM(g."v1_n") > 0 THEN SUM(g."v1_sum") / SUM(g."v1_n") END AS "customer>orders.channel=web.mean.all"
FROM foretell."block_6_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   cutoff.weekday: weekday of the cutoff
CREATE OR REPLACE TABLE foretell."features_9" AS
SELECT
  r."row",
  CAST(EXTRACT(ISODOW FROM r."cutoff") AS DOUBLE) AS "cutoff.weekday"
FROM foretell."rows" AS r;

-- The features, one row for each (entity, cutoff).
SELECT
  e."id",
  r."cutoff",
  f0."customer>customers.left.age" AS "customer>customers.left.age",
  f1."lines.tenure.all" AS "lines.tenure.all",
  f1."lines.price.mean.90d" AS "lines.price.mean.90d",
  COALESCE(f2."customer>orders.count.7d", 0) AS "customer>orders.count.7d",
  COALESCE(f2."customer>orders.count.90d", 0) AS "customer>orders.count.90d",
  COALESCE(f2."customer>orders.decayed_count.7d", 0) AS "customer>orders.decayed_count.7d",
  f2."customer>orders.channel.last_category.all" AS "customer>orders.channel.last_category.all",
  f2."customer>orders.channel=web.mean.all" AS "customer>orders.channel=web.mean.all",
  f3."cutoff.weekday" AS "cutoff.weekday"
FROM foretell."rows" AS r
JOIN foretell."orders" AS e
  ON e."__row" = r."entity"
LEFT JOIN foretell."features_2" AS f0
  ON f0."row" = r."row"
LEFT JOIN foretell."features_5" AS f1
  ON f1."row" = r."row"
LEFT JOIN foretell."features_8" AS f2
  ON f2."row" = r."row"
LEFT JOIN foretell."features_9" AS f3
  ON f3."row" = r."row"
ORDER BY
  r."row";
