
--
-- Run it in DuckDB, with the database attached and in use:
--   duckdb -cmd "ATTACH 'my.duckdb' AS asked (READ_ONLY); USE asked" < this-file.sql
ATTACH ':memory:' AS foretell;

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

-- The cutoffs.
CREATE OR REPLACE TABLE foretell."cutoffs" AS
SELECT
  *
FROM (VALUES
  (CAST('2024-03-01' AS TIMESTAMP)),
  (CAST('2024-04-01' AS TIMESTAMP))) AS c("cutoff");

-- The labels are given; these are their entities at each cutoff.

-- The rows that features are made for.
CREATE OR REPLACE TABLE foretell."rows" AS
SELECT
  ROW_NUMBER() OVER (ORDER BY l."cutoff", l."entity") - 1 AS row,
  l."entity",
  l."cutoff"
FROM (
  SELECT
    e."__row" AS entity,
    c."cutoff"
  FROM foretell."customers" AS e
  CROSS JOIN foretell."cutoffs" AS c
) AS l;

-- 5 features:
--   orders.lines.count.all.mean.all: mean over its orders of the number of lines
--   orders.lines.count.all.max.90d: highest over its orders in the last 90 days of the number of lines
--   orders.lines.price.sum.all.std.all: spread (standard deviation) over its orders of the total price of lines
--   orders.lines.price.mean.all.max.all: highest over its orders of the mean price of lines
--   orders.lines.price.mean.all.min.90d: lowest over its orders in the last 90 days of the mean price of lines

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

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_2" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k
FROM foretell."orders" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
ORDER BY
  k;

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

-- Each of orders that a row sees, what it comes to, and the measures over them.
CREATE OR REPLACE TABLE foretell."block_1_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_1_pairs" AS
SELECT
  ROW_NUMBER() OVER (ORDER BY r."row", m."k") AS row,
  m."k" AS anchor,
  r."cutoff",
  r."row" AS owner,
  m."t"
FROM foretell."events_2" AS m
JOIN foretell."block_1_rows" AS r
  ON m."anchor" = r."anchor" AND m."t" <= r."cutoff"
ORDER BY
  row;
CREATE OR REPLACE TABLE foretell."block_1_inner_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(*) AS rows,
  SUM(e."v0") AS v0_sum,
  COUNT(e."v0") AS v0_n
FROM foretell."events_3" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_1_inner_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."rows") AS rows,
  SUM(j."v0_sum") AS v0_sum,
  SUM(j."v0_n") AS v0_n
FROM (
  SELECT
    r."row",
    r."cutoff",
    CAST(0 AS INT) AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."rows",
    u."v0_sum",
    u."v0_n"
  FROM foretell."block_1_inner_units" AS u
  JOIN foretell."block_1_pairs" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_1_of0" AS
SELECT
  g."row",
  COALESCE(SUM(g."rows"), 0) AS "v0",
  COALESCE(SUM(g."v0_sum"), 0) AS "v1",
  CASE WHEN SUM(g."v0_n") > 0 THEN SUM(g."v0_sum") / SUM(g."v0_n") END AS "v2"
FROM foretell."block_1_inner_rings" AS g
GROUP BY
  g."row";
CREATE OR REPLACE TABLE foretell."block_1_valued" AS
SELECT
  p."owner" AS anchor,
  p."t",
  p."row" AS k,
  CASE
    WHEN ABS(COALESCE(f0."v0", 0)) < 1e150
    THEN CAST(COALESCE(f0."v0", 0) AS DOUBLE)
  END AS v0,
  CASE
    WHEN ABS(COALESCE(f0."v1", 0)) < 1e150
    THEN CAST(COALESCE(f0."v1", 0) AS DOUBLE)
  END AS v1,
  CASE WHEN ABS(f0."v2") < 1e150 THEN CAST(f0."v2" AS DOUBLE) END AS v2
FROM foretell."block_1_pairs" AS p
LEFT JOIN foretell."block_1_of0" AS f0
  ON f0."row" = p."row"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_1_own" AS
SELECT
  r."row",
  r."row" AS anchor,
  r."cutoff"
FROM foretell."block_1_rows" AS r;
CREATE OR REPLACE TABLE foretell."block_1_outer_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum,
  MAX(e."v0") AS v0_max,
  COUNT(e."v1") AS v1_n,
  SUM(e."v1") AS v1_sum,
  VAR_POP(e."v1") * COUNT(e."v1") AS v1_m2,
  MAX(e."v2") AS v2_max,
  MIN(e."v2") AS v2_min
FROM foretell."block_1_valued" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_1_outer_means" AS
SELECT
  j."row",
  j."ring",
  SUM(j."v1_sum") / NULLIF(SUM(j."v1_n"), 0) AS v1_sum_mean
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '90' DAY THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_n",
    u."v0_sum",
    u."v0_max",
    u."v1_n",
    u."v1_sum",
    u."v1_m2",
    u."v2_max",
    u."v2_min"
  FROM foretell."block_1_outer_units" AS u
  JOIN foretell."block_1_own" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_1_outer_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."v0_n") AS v0_n,
  SUM(j."v0_sum") AS v0_sum,
  MAX(j."v0_max") AS v0_max,
  SUM(j."v1_n") AS v1_n,
  SUM(j."v1_sum") AS v1_sum,
  SUM(
    j."v1_m2" + j."v1_n" * (
      j."v1_sum" / j."v1_n" - m."v1_sum_mean"
    ) * (
      j."v1_sum" / j."v1_n" - m."v1_sum_mean"
    )
  ) AS v1_m2,
  MAX(j."v2_max") AS v2_max,
  MIN(j."v2_min") AS v2_min
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '90' DAY THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_n",
    u."v0_sum",
    u."v0_max",
    u."v1_n",
    u."v1_sum",
    u."v1_m2",
    u."v2_max",
    u."v2_min"
  FROM foretell."block_1_outer_units" AS u
  JOIN foretell."block_1_own" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
JOIN foretell."block_1_outer_means" AS m
  ON m."row" = j."row" AND m."ring" = j."ring"
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_1_outer_wide" AS
SELECT
  g."row",
  SUM(g."v1_sum") / NULLIF(SUM(g."v1_n"), 0) AS v1_sum_mean
FROM foretell."block_1_outer_rings" AS g
GROUP BY
  g."row";
CREATE OR REPLACE TABLE foretell."features_4" AS
SELECT
  g."row",
  CASE WHEN SUM(g."v0_n") > 0 THEN SUM(g."v0_sum") / SUM(g."v0_n") END AS "orders.lines.count.all.mean.all",
  MAX(g."v0_max") FILTER(WHERE
    g."ring" <= 0) AS "orders.lines.count.all.max.90d",
  CASE
    WHEN SUM(g."v1_n") > 1
    THEN SQRT(
      GREATEST(
        SUM(
          g."v1_m2" + g."v1_n" * (
            g."v1_sum" / g."v1_n" - m."v1_sum_mean"
          ) * (
            g."v1_sum" / g."v1_n" - m."v1_sum_mean"
          )
        ),
        0
      ) / (
        SUM(g."v1_n") - 1
      )
    )
  END AS "orders.lines.price.sum.all.std.all",
  MAX(g."v2_max") AS "orders.lines.price.mean.all.max.all",
  MIN(g."v2_min") FILTER(WHERE
    g."ring" <= 0) AS "orders.lines.price.mean.all.min.90d"
FROM foretell."block_1_outer_rings" AS g
JOIN foretell."block_1_outer_wide" AS m
  ON m."row" = g."row"
GROUP BY
  g."row";

-- The features, one row for each (entity, cutoff).
SELECT
  e."id",
  r."cutoff",
  f0."orders.lines.count.all.mean.all" AS "orders.lines.count.all.mean.all",
  f0."orders.lines.count.all.max.90d" AS "orders.lines.count.all.max.90d",
  f0."orders.lines.price.sum.all.std.all" AS "orders.lines.price.sum.all.std.all",
  f0."orders.lines.price.mean.all.max.all" AS "orders.lines.price.mean.all.max.all",
  f0."orders.lines.price.mean.all.min.90d" AS "orders.lines.price.mean.all.min.90d"
FROM foretell."rows" AS r
JOIN foretell."customers" AS e
  ON e."__row" = r."entity"
LEFT JOIN foretell."features_4" AS f0
  ON f0."row" = r."row"
ORDER BY
  r."row";
