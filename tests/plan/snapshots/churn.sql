
-- PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.id WHERE COUNT(orders.*, -90, 0, days) > 0
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

-- Who exists at each cutoff.
CREATE OR REPLACE TABLE foretell."population_1" AS
SELECT
  e."__row" AS entity,
  c."cutoff",
  c."cutoff" AS asked
FROM foretell."customers" AS e
CROSS JOIN foretell."cutoffs" AS c
WHERE
  e."__time" <= c."cutoff" AND (
    e."left" IS NULL OR e."left" > c."cutoff"
  );

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

-- COUNT over (cutoff + 0 days, cutoff + 30 days] of orders.
CREATE OR REPLACE TABLE foretell."value_3" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  COUNT(*) AS value
FROM foretell."events_2" AS e
JOIN foretell."cutoffs" AS c
  ON e."t" > c."cutoff" AND e."t" <= c."cutoff" + INTERVAL '30' DAY
GROUP BY
  e."anchor",
  c."cutoff";

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_4" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k
FROM foretell."orders" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
ORDER BY
  k;

-- COUNT over (cutoff + -90 days, cutoff + 0 days] of orders.
CREATE OR REPLACE TABLE foretell."value_5" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  COUNT(*) AS value
FROM foretell."events_4" AS e
JOIN foretell."cutoffs" AS c
  ON e."t" > c."cutoff" - INTERVAL '90' DAY AND e."t" <= c."cutoff"
GROUP BY
  e."anchor",
  c."cutoff";

-- The labels of those that WHERE chooses, where ASSUMING held and there is a value.
CREATE OR REPLACE TABLE foretell."labels" AS
SELECT
  *
FROM (
  SELECT
    r."entity",
    r."cutoff",
    (
      COALESCE(a0."value", 0) = 0
    ) AS label,
    COALESCE((
      COALESCE(a1."value", 0) > 0
    ), FALSE) AS chosen,
    TRUE AS assumed
  FROM foretell."population_1" AS r
  LEFT JOIN foretell."customers" AS e
    ON e."__row" = r."entity"
  LEFT JOIN foretell."value_3" AS a0
    ON a0."entity" = r."entity" AND a0."cutoff" = r."cutoff"
  LEFT JOIN foretell."value_5" AS a1
    ON a1."entity" = r."entity" AND a1."cutoff" = r."cutoff"
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
JOIN foretell."customers" AS e
  ON e."__row" = l."entity"
ORDER BY
  l."cutoff",
  l."entity";

-- 4 features:
--   orders.count.30d: number of orders in the last 30 days
--   orders.channel.last_category.all: last channel of orders so far
--   orders.channel=shop.sum.all: number of orders with channel = shop so far
--   orders.recency.all:

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_7" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k,
  CAST(e0."channel" AS TEXT) AS v0,
  CAST(CAST((
    TRY_CAST(e0."channel" AS TEXT) = 'shop'
  ) AS INT) AS DOUBLE) AS v1
FROM foretell."orders" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_6_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_6_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(*) AS rows,
  ARG_MAX(e."v0", e."k") AS v0_last,
  MAX(CASE WHEN NOT e."v0" IS NULL THEN e."k" END) AS v0_last_k,
  SUM(e."v1") AS v1_sum,
  MAX(e."t") AS latest
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
  ARG_MAX(j."v0_last", j."v0_last_k") AS v0_last,
  MAX(j."v0_last_k") AS v0_last_k,
  SUM(j."v1_sum") AS v1_sum,
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
    u."v0_last",
    u."v0_last_k",
    u."v1_sum",
    u."latest"
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
    g."ring" <= 0), 0) AS "orders.count.30d",
  ARG_MAX(g."v0_last", g."v0_last_k") AS "orders.channel.last_category.all",
  COALESCE(SUM(g."v1_sum"), 0) AS "orders.channel=shop.sum.all",
  (
    EPOCH(MAX(g."cutoff")) - EPOCH(MAX(g."latest"))
  ) / 86400.0 AS "orders.recency.all"
FROM foretell."block_6_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   visits.recency.all: days since the last of visits so far

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
CREATE OR REPLACE TABLE foretell."events_10" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k
FROM foretell."visits" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_9_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_9_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  MAX(e."t") AS latest
FROM foretell."events_10" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_9_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  MAX(j."latest") AS latest
FROM (
  SELECT
    r."row",
    r."cutoff",
    CAST(0 AS INT) AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."latest"
  FROM foretell."block_9_units" AS u
  JOIN foretell."block_9_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_11" AS
SELECT
  g."row",
  (
    EPOCH(MAX(g."cutoff")) - EPOCH(MAX(g."latest"))
  ) / 86400.0 AS "visits.recency.all"
FROM foretell."block_9_rings" AS g
GROUP BY
  g."row";

-- 3 features:
--   orders.amount.mean.last20: mean amount of orders over the last 20
--   orders.channel=web.mean.last20: share of orders with channel = web over the last 20
--   orders.gap.last5:

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_13" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k,
  CASE
    WHEN ABS(CAST(e0."amount" AS DOUBLE)) < 1e150
    THEN CAST(e0."amount" AS DOUBLE)
  END AS v0,
  CAST(CAST((
    TRY_CAST(e0."channel" AS TEXT) = 'web'
  ) AS INT) AS DOUBLE) AS v1
FROM foretell."orders" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_12_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_12_latest" AS
SELECT
  *
FROM (
  SELECT
    r."row" AS anchor,
    e."t",
    e."k",
    ROW_NUMBER() OVER (PARTITION BY r."row" ORDER BY e."k" DESC) AS place,
    e."v0",
    e."v1"
  FROM foretell."events_13" AS e
  JOIN foretell."block_12_rows" AS r
    ON e."anchor" = r."anchor" AND e."t" <= r."cutoff"
) AS e
WHERE
  e."place" <= 20
ORDER BY
  e."k";
CREATE OR REPLACE TABLE foretell."block_12_own" AS
SELECT
  r."row",
  r."row" AS anchor,
  r."cutoff"
FROM foretell."block_12_rows" AS r;
CREATE OR REPLACE TABLE foretell."block_12_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  e."place",
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum,
  COUNT(e."v1") AS v1_n,
  SUM(e."v1") AS v1_sum,
  COUNT(*) AS rows,
  MIN(e."t") AS first,
  MAX(e."t") AS latest
FROM foretell."block_12_latest" AS e
GROUP BY
  e."anchor",
  e."t",
  e."place"
ORDER BY
  "at",
  anchor,
  place;
CREATE OR REPLACE TABLE foretell."block_12_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."v0_n") AS v0_n,
  SUM(j."v0_sum") AS v0_sum,
  SUM(j."v1_n") AS v1_n,
  SUM(j."v1_sum") AS v1_sum,
  SUM(j."rows") AS rows,
  MIN(j."first") AS first,
  MAX(j."latest") AS latest
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."place" <= 5 THEN 0 WHEN u."place" <= 20 THEN 1 ELSE 2 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_n",
    u."v0_sum",
    u."v1_n",
    u."v1_sum",
    u."rows",
    u."first",
    u."latest"
  FROM foretell."block_12_units" AS u
  JOIN foretell."block_12_own" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_14" AS
SELECT
  g."row",
  CASE
    WHEN SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 1) > 0
    THEN SUM(g."v0_sum") FILTER(WHERE
      g."ring" <= 1) / SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 1)
  END AS "orders.amount.mean.last20",
  CASE
    WHEN SUM(g."v1_n") FILTER(WHERE
      g."ring" <= 1) > 0
    THEN SUM(g."v1_sum") FILTER(WHERE
      g."ring" <= 1) / SUM(g."v1_n") FILTER(WHERE
      g."ring" <= 1)
  END AS "orders.channel=web.mean.last20",
  CASE
    WHEN SUM(g."rows") FILTER(WHERE
      g."ring" <= 0) > 1
    THEN (
      EPOCH(MAX(g."latest") FILTER(WHERE
        g."ring" <= 0)) - EPOCH(MIN(g."first") FILTER(WHERE
        g."ring" <= 0))
    ) / 86400.0 / (
      SUM(g."rows") FILTER(WHERE
        g."ring" <= 0) - 1
    )
  END AS "orders.gap.last5"
FROM foretell."block_12_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   orders.rating.max.90d: highest rating of orders in the last 90 days

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_16" AS
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
CREATE OR REPLACE TABLE foretell."block_15_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_15_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  MAX(e."v0") AS v0_max
FROM foretell."events_16" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_15_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  MAX(j."v0_max") AS v0_max
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '90' DAY THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_max"
  FROM foretell."block_15_units" AS u
  JOIN foretell."block_15_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_17" AS
SELECT
  g."row",
  MAX(g."v0_max") FILTER(WHERE
    g."ring" <= 0) AS "orders.rating.max.90d"
FROM foretell."block_15_rings" AS g
GROUP BY
  g."row";

-- 2 features:
--   orders>lines.gap.all: mean days between lines so far
--   orders>lines.price.std.all: spread (standard deviation) of price of lines so far

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

-- Events of lines → orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_19" AS
SELECT
  e2."__row" AS anchor,
  GREATEST(e0."__time", e1."__time") AS t,
  ROW_NUMBER() OVER (ORDER BY GREATEST(e0."__time", e1."__time"), e0."__row") AS k,
  CASE
    WHEN ABS(CAST(e0."price" AS DOUBLE)) < 1e150
    THEN CAST(e0."price" AS DOUBLE)
  END AS v0
FROM foretell."lines" AS e0
JOIN foretell."orders" AS e1
  ON e0."order" = e1."id"
JOIN foretell."customers" AS e2
  ON e1."customer" = e2."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_18_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_18_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(*) AS rows,
  MIN(e."t") AS first,
  MAX(e."t") AS latest,
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum,
  VAR_POP(e."v0") * COUNT(e."v0") AS v0_m2
FROM foretell."events_19" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_18_means" AS
SELECT
  j."row",
  j."ring",
  SUM(j."v0_sum") / NULLIF(SUM(j."v0_n"), 0) AS v0_sum_mean
FROM (
  SELECT
    r."row",
    r."cutoff",
    CAST(0 AS INT) AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."rows",
    u."first",
    u."latest",
    u."v0_n",
    u."v0_sum",
    u."v0_m2"
  FROM foretell."block_18_units" AS u
  JOIN foretell."block_18_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_18_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."rows") AS rows,
  MIN(j."first") AS first,
  MAX(j."latest") AS latest,
  SUM(j."v0_n") AS v0_n,
  SUM(j."v0_sum") AS v0_sum,
  SUM(
    j."v0_m2" + j."v0_n" * (
      j."v0_sum" / j."v0_n" - m."v0_sum_mean"
    ) * (
      j."v0_sum" / j."v0_n" - m."v0_sum_mean"
    )
  ) AS v0_m2
FROM (
  SELECT
    r."row",
    r."cutoff",
    CAST(0 AS INT) AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."rows",
    u."first",
    u."latest",
    u."v0_n",
    u."v0_sum",
    u."v0_m2"
  FROM foretell."block_18_units" AS u
  JOIN foretell."block_18_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
JOIN foretell."block_18_means" AS m
  ON m."row" = j."row" AND m."ring" = j."ring"
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_18_wide" AS
SELECT
  g."row",
  SUM(g."v0_sum") / NULLIF(SUM(g."v0_n"), 0) AS v0_sum_mean
FROM foretell."block_18_rings" AS g
GROUP BY
  g."row";
CREATE OR REPLACE TABLE foretell."features_20" AS
SELECT
  g."row",
  CASE
    WHEN SUM(g."rows") > 1
    THEN (
      EPOCH(MAX(g."latest")) - EPOCH(MIN(g."first"))
    ) / 86400.0 / (
      SUM(g."rows") - 1
    )
  END AS "orders>lines.gap.all",
  CASE
    WHEN SUM(g."v0_n") > 1
    THEN SQRT(
      GREATEST(
        SUM(
          g."v0_m2" + g."v0_n" * (
            g."v0_sum" / g."v0_n" - m."v0_sum_mean"
          ) * (
            g."v0_sum" / g."v0_n" - m."v0_sum_mean"
          )
        ),
        0
      ) / (
        SUM(g."v0_n") - 1
      )
    )
  END AS "orders>lines.price.std.all"
FROM foretell."block_18_rings" AS g
JOIN foretell."block_18_wide" AS m
  ON m."row" = g."row"
GROUP BY
  g."row";

-- 1 features:
--   region>customers.recency.all:

-- Table regions: no time: read as of now; __row is its rank in (time, key) order.
CREATE OR REPLACE TABLE foretell."regions" AS
SELECT
  *,
  ROW_NUMBER() OVER (ORDER BY q."id") AS "__row"
FROM (
  SELECT
    r."id" AS "id",
    r."size" AS "size"
  FROM "regions" AS r
) AS q;

-- Events of customers → regions: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_22" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k
FROM foretell."customers" AS e0
JOIN foretell."regions" AS e1
  ON e0."region" = e1."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_21_rows" AS
SELECT
  r."row",
  a1."__row" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r
LEFT JOIN foretell."customers" AS a0
  ON r."entity" = a0."__row" AND a0."__time" <= r."cutoff"
LEFT JOIN foretell."regions" AS a1
  ON a0."region" = a1."id"
WHERE
  NOT a1."__row" IS NULL;
CREATE OR REPLACE TABLE foretell."block_21_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  MAX(e."t") AS latest
FROM foretell."events_22" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_21_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  MAX(j."latest") AS latest
FROM (
  SELECT
    r."row",
    r."cutoff",
    CAST(0 AS INT) AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."latest"
  FROM foretell."block_21_units" AS u
  JOIN foretell."block_21_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_23" AS
SELECT
  g."row",
  (
    EPOCH(MAX(g."cutoff")) - EPOCH(MAX(g."latest"))
  ) / 86400.0 AS "region>customers.recency.all"
FROM foretell."block_21_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   region>customers.gap.last5:
CREATE OR REPLACE TABLE foretell."block_24_rows" AS
SELECT
  r."row",
  a1."__row" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r
LEFT JOIN foretell."customers" AS a0
  ON r."entity" = a0."__row" AND a0."__time" <= r."cutoff"
LEFT JOIN foretell."regions" AS a1
  ON a0."region" = a1."id"
WHERE
  NOT a1."__row" IS NULL;
CREATE OR REPLACE TABLE foretell."block_24_latest" AS
SELECT
  *
FROM (
  SELECT
    r."row" AS anchor,
    e."t",
    e."k",
    ROW_NUMBER() OVER (PARTITION BY r."row" ORDER BY e."k" DESC) AS place
  FROM foretell."events_22" AS e
  JOIN foretell."block_24_rows" AS r
    ON e."anchor" = r."anchor" AND e."t" <= r."cutoff"
) AS e
WHERE
  e."place" <= 5
ORDER BY
  e."k";
CREATE OR REPLACE TABLE foretell."block_24_own" AS
SELECT
  r."row",
  r."row" AS anchor,
  r."cutoff"
FROM foretell."block_24_rows" AS r;
CREATE OR REPLACE TABLE foretell."block_24_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  e."place",
  COUNT(*) AS rows,
  MIN(e."t") AS first,
  MAX(e."t") AS latest
FROM foretell."block_24_latest" AS e
GROUP BY
  e."anchor",
  e."t",
  e."place"
ORDER BY
  "at",
  anchor,
  place;
CREATE OR REPLACE TABLE foretell."block_24_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."rows") AS rows,
  MIN(j."first") AS first,
  MAX(j."latest") AS latest
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."place" <= 5 THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."rows",
    u."first",
    u."latest"
  FROM foretell."block_24_units" AS u
  JOIN foretell."block_24_own" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_25" AS
SELECT
  g."row",
  CASE
    WHEN SUM(g."rows") FILTER(WHERE
      g."ring" <= 0) > 1
    THEN (
      EPOCH(MAX(g."latest") FILTER(WHERE
        g."ring" <= 0)) - EPOCH(MIN(g."first") FILTER(WHERE
        g."ring" <= 0))
    ) / 86400.0 / (
      SUM(g."rows") FILTER(WHERE
        g."ring" <= 0) - 1
    )
  END AS "region>customers.gap.last5"
FROM foretell."block_24_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   label.last: the last known outcome

-- The entity's own labels at earlier cutoffs count from the close of their windows on.
CREATE OR REPLACE TABLE foretell."cutoffs_27" AS
SELECT
  *
FROM (VALUES
  (CAST('2022-02-10' AS TIMESTAMP)),
  (CAST('2022-03-12' AS TIMESTAMP)),
  (CAST('2022-03-13' AS TIMESTAMP)),
  (CAST('2022-04-11' AS TIMESTAMP)),
  (CAST('2022-04-12' AS TIMESTAMP)),
  (CAST('2022-05-11' AS TIMESTAMP)),
  (CAST('2022-05-12' AS TIMESTAMP)),
  (CAST('2022-06-10' AS TIMESTAMP)),
  (CAST('2022-06-11' AS TIMESTAMP)),
  (CAST('2022-07-10' AS TIMESTAMP)),
  (CAST('2022-07-11' AS TIMESTAMP)),
  (CAST('2022-08-09' AS TIMESTAMP)),
  (CAST('2022-08-10' AS TIMESTAMP)),
  (CAST('2022-09-08' AS TIMESTAMP)),
  (CAST('2022-09-09' AS TIMESTAMP)),
  (CAST('2022-10-08' AS TIMESTAMP)),
  (CAST('2022-10-09' AS TIMESTAMP)),
  (CAST('2022-11-07' AS TIMESTAMP)),
  (CAST('2022-11-08' AS TIMESTAMP)),
  (CAST('2022-12-07' AS TIMESTAMP)),
  (CAST('2022-12-08' AS TIMESTAMP)),
  (CAST('2023-01-06' AS TIMESTAMP)),
  (CAST('2023-01-07' AS TIMESTAMP)),
  (CAST('2023-02-05' AS TIMESTAMP)),
  (CAST('2023-02-06' AS TIMESTAMP)),
  (CAST('2023-03-07' AS TIMESTAMP)),
  (CAST('2023-03-08' AS TIMESTAMP)),
  (CAST('2023-04-06' AS TIMESTAMP)),
  (CAST('2023-04-07' AS TIMESTAMP)),
  (CAST('2023-05-06' AS TIMESTAMP)),
  (CAST('2023-05-07' AS TIMESTAMP)),
  (CAST('2023-06-05' AS TIMESTAMP)),
  (CAST('2023-06-06' AS TIMESTAMP)),
  (CAST('2023-07-05' AS TIMESTAMP)),
  (CAST('2023-07-06' AS TIMESTAMP)),
  (CAST('2023-08-04' AS TIMESTAMP)),
  (CAST('2023-08-05' AS TIMESTAMP)),
  (CAST('2023-09-03' AS TIMESTAMP)),
  (CAST('2023-09-04' AS TIMESTAMP)),
  (CAST('2023-10-03' AS TIMESTAMP)),
  (CAST('2023-10-04' AS TIMESTAMP)),
  (CAST('2023-11-02' AS TIMESTAMP)),
  (CAST('2023-11-03' AS TIMESTAMP)),
  (CAST('2023-12-02' AS TIMESTAMP)),
  (CAST('2023-12-03' AS TIMESTAMP)),
  (CAST('2024-01-01' AS TIMESTAMP)),
  (CAST('2024-01-02' AS TIMESTAMP)),
  (CAST('2024-01-31' AS TIMESTAMP)),
  (CAST('2024-02-01' AS TIMESTAMP)),
  (CAST('2024-03-02' AS TIMESTAMP))) AS c("cutoff");

-- Who exists at each cutoff.
CREATE OR REPLACE TABLE foretell."population_30" AS
SELECT
  e."__row" AS entity,
  c."cutoff",
  c."cutoff" AS asked
FROM foretell."customers" AS e
CROSS JOIN foretell."cutoffs_27" AS c
WHERE
  e."__time" <= c."cutoff" AND (
    e."left" IS NULL OR e."left" > c."cutoff"
  );

-- COUNT over (cutoff + 0 days, cutoff + 30 days] of orders.
CREATE OR REPLACE TABLE foretell."value_31" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  COUNT(*) AS value
FROM foretell."events_2" AS e
JOIN foretell."cutoffs_27" AS c
  ON e."t" > c."cutoff" AND e."t" <= c."cutoff" + INTERVAL '30' DAY
GROUP BY
  e."anchor",
  c."cutoff";

-- COUNT over (cutoff + -90 days, cutoff + 0 days] of orders.
CREATE OR REPLACE TABLE foretell."value_32" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  COUNT(*) AS value
FROM foretell."events_4" AS e
JOIN foretell."cutoffs_27" AS c
  ON e."t" > c."cutoff" - INTERVAL '90' DAY AND e."t" <= c."cutoff"
GROUP BY
  e."anchor",
  c."cutoff";

-- The labels of those that WHERE chooses, where ASSUMING held and there is a value.
CREATE OR REPLACE TABLE foretell."labels_28" AS
SELECT
  *
FROM (
  SELECT
    r."entity",
    r."cutoff",
    (
      COALESCE(a0."value", 0) = 0
    ) AS label,
    COALESCE((
      COALESCE(a1."value", 0) > 0
    ), FALSE) AS chosen,
    TRUE AS assumed
  FROM foretell."population_30" AS r
  LEFT JOIN foretell."customers" AS e
    ON e."__row" = r."entity"
  LEFT JOIN foretell."value_31" AS a0
    ON a0."entity" = r."entity" AND a0."cutoff" = r."cutoff"
  LEFT JOIN foretell."value_32" AS a1
    ON a1."entity" = r."entity" AND a1."cutoff" = r."cutoff"
  ORDER BY
    r."cutoff",
    r."entity"
) AS l
WHERE
  l."chosen" AND l."assumed" AND NOT l."label" IS NULL;
CREATE OR REPLACE TABLE foretell."events_29" AS
SELECT
  l."entity" * 2 + p."phase" AS anchor,
  p."known" AS t,
  ROW_NUMBER() OVER (ORDER BY l."cutoff", l."entity") AS k,
  CAST(CAST(l."label" AS INT) AS DOUBLE) AS v0
FROM foretell."labels_28" AS l
JOIN (VALUES
  (CAST('2022-02-10' AS TIMESTAMP), CAST('2022-03-12' AS TIMESTAMP), 0),
  (CAST('2022-03-12' AS TIMESTAMP), CAST('2022-04-11' AS TIMESTAMP), 0),
  (CAST('2022-03-13' AS TIMESTAMP), CAST('2022-04-12' AS TIMESTAMP), 1),
  (CAST('2022-04-11' AS TIMESTAMP), CAST('2022-05-11' AS TIMESTAMP), 0),
  (CAST('2022-04-12' AS TIMESTAMP), CAST('2022-05-12' AS TIMESTAMP), 1),
  (CAST('2022-05-11' AS TIMESTAMP), CAST('2022-06-10' AS TIMESTAMP), 0),
  (CAST('2022-05-12' AS TIMESTAMP), CAST('2022-06-11' AS TIMESTAMP), 1),
  (CAST('2022-06-10' AS TIMESTAMP), CAST('2022-07-10' AS TIMESTAMP), 0),
  (CAST('2022-06-11' AS TIMESTAMP), CAST('2022-07-11' AS TIMESTAMP), 1),
  (CAST('2022-07-10' AS TIMESTAMP), CAST('2022-08-09' AS TIMESTAMP), 0),
  (CAST('2022-07-11' AS TIMESTAMP), CAST('2022-08-10' AS TIMESTAMP), 1),
  (CAST('2022-08-09' AS TIMESTAMP), CAST('2022-09-08' AS TIMESTAMP), 0),
  (CAST('2022-08-10' AS TIMESTAMP), CAST('2022-09-09' AS TIMESTAMP), 1),
  (CAST('2022-09-08' AS TIMESTAMP), CAST('2022-10-08' AS TIMESTAMP), 0),
  (CAST('2022-09-09' AS TIMESTAMP), CAST('2022-10-09' AS TIMESTAMP), 1),
  (CAST('2022-10-08' AS TIMESTAMP), CAST('2022-11-07' AS TIMESTAMP), 0),
  (CAST('2022-10-09' AS TIMESTAMP), CAST('2022-11-08' AS TIMESTAMP), 1),
  (CAST('2022-11-07' AS TIMESTAMP), CAST('2022-12-07' AS TIMESTAMP), 0),
  (CAST('2022-11-08' AS TIMESTAMP), CAST('2022-12-08' AS TIMESTAMP), 1),
  (CAST('2022-12-07' AS TIMESTAMP), CAST('2023-01-06' AS TIMESTAMP), 0),
  (CAST('2022-12-08' AS TIMESTAMP), CAST('2023-01-07' AS TIMESTAMP), 1),
  (CAST('2023-01-06' AS TIMESTAMP), CAST('2023-02-05' AS TIMESTAMP), 0),
  (CAST('2023-01-07' AS TIMESTAMP), CAST('2023-02-06' AS TIMESTAMP), 1),
  (CAST('2023-02-05' AS TIMESTAMP), CAST('2023-03-07' AS TIMESTAMP), 0),
  (CAST('2023-02-06' AS TIMESTAMP), CAST('2023-03-08' AS TIMESTAMP), 1),
  (CAST('2023-03-07' AS TIMESTAMP), CAST('2023-04-06' AS TIMESTAMP), 0),
  (CAST('2023-03-08' AS TIMESTAMP), CAST('2023-04-07' AS TIMESTAMP), 1),
  (CAST('2023-04-06' AS TIMESTAMP), CAST('2023-05-06' AS TIMESTAMP), 0),
  (CAST('2023-04-07' AS TIMESTAMP), CAST('2023-05-07' AS TIMESTAMP), 1),
  (CAST('2023-05-06' AS TIMESTAMP), CAST('2023-06-05' AS TIMESTAMP), 0),
  (CAST('2023-05-07' AS TIMESTAMP), CAST('2023-06-06' AS TIMESTAMP), 1),
  (CAST('2023-06-05' AS TIMESTAMP), CAST('2023-07-05' AS TIMESTAMP), 0),
  (CAST('2023-06-06' AS TIMESTAMP), CAST('2023-07-06' AS TIMESTAMP), 1),
  (CAST('2023-07-05' AS TIMESTAMP), CAST('2023-08-04' AS TIMESTAMP), 0),
  (CAST('2023-07-06' AS TIMESTAMP), CAST('2023-08-05' AS TIMESTAMP), 1),
  (CAST('2023-08-04' AS TIMESTAMP), CAST('2023-09-03' AS TIMESTAMP), 0),
  (CAST('2023-08-05' AS TIMESTAMP), CAST('2023-09-04' AS TIMESTAMP), 1),
  (CAST('2023-09-03' AS TIMESTAMP), CAST('2023-10-03' AS TIMESTAMP), 0),
  (CAST('2023-09-04' AS TIMESTAMP), CAST('2023-10-04' AS TIMESTAMP), 1),
  (CAST('2023-10-03' AS TIMESTAMP), CAST('2023-11-02' AS TIMESTAMP), 0),
  (CAST('2023-10-04' AS TIMESTAMP), CAST('2023-11-03' AS TIMESTAMP), 1),
  (CAST('2023-11-02' AS TIMESTAMP), CAST('2023-12-02' AS TIMESTAMP), 0),
  (CAST('2023-11-03' AS TIMESTAMP), CAST('2023-12-03' AS TIMESTAMP), 1),
  (CAST('2023-12-02' AS TIMESTAMP), CAST('2024-01-01' AS TIMESTAMP), 0),
  (CAST('2023-12-03' AS TIMESTAMP), CAST('2024-01-02' AS TIMESTAMP), 1),
  (CAST('2024-01-01' AS TIMESTAMP), CAST('2024-01-31' AS TIMESTAMP), 0),
  (CAST('2024-01-02' AS TIMESTAMP), CAST('2024-02-01' AS TIMESTAMP), 1),
  (CAST('2024-01-31' AS TIMESTAMP), CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-02-01' AS TIMESTAMP), CAST('2024-03-02' AS TIMESTAMP), 1),
  (CAST('2024-03-02' AS TIMESTAMP), CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "known", "phase")
  ON p."cutoff" = l."cutoff"
WHERE
  l."cutoff" >= (
    SELECT
      MIN(e."__time")
    FROM foretell."orders" AS e
  );
CREATE OR REPLACE TABLE foretell."block_26_rows" AS
SELECT
  r."row",
  r."entity" * 2 + p."phase" AS anchor,
  p."until" AS cutoff
FROM foretell."rows" AS r
JOIN (VALUES
  (CAST('2024-03-01' AS TIMESTAMP), CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-04-01' AS TIMESTAMP), CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "until", "phase")
  ON p."cutoff" = r."cutoff";
CREATE OR REPLACE TABLE foretell."block_26_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  ARG_MAX(e."v0", e."k") AS v0_last,
  MAX(CASE WHEN NOT e."v0" IS NULL THEN e."k" END) AS v0_last_k
FROM foretell."events_29" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_26_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  ARG_MAX(j."v0_last", j."v0_last_k") AS v0_last,
  MAX(j."v0_last_k") AS v0_last_k
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '720' DAY THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_last",
    u."v0_last_k"
  FROM foretell."block_26_units" AS u
  JOIN foretell."block_26_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_33" AS
SELECT
  g."row",
  ARG_MAX(g."v0_last", g."v0_last_k") FILTER(WHERE
    g."ring" <= 0) AS "label.last"
FROM foretell."block_26_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   label.std.last5: spread of the last 5 known outcomes

-- The entity's own labels at earlier cutoffs count from the close of their windows on.
CREATE OR REPLACE TABLE foretell."cutoffs_35" AS
SELECT
  *
FROM (VALUES
  (CAST('2022-02-10' AS TIMESTAMP)),
  (CAST('2022-03-12' AS TIMESTAMP)),
  (CAST('2022-03-13' AS TIMESTAMP)),
  (CAST('2022-04-11' AS TIMESTAMP)),
  (CAST('2022-04-12' AS TIMESTAMP)),
  (CAST('2022-05-11' AS TIMESTAMP)),
  (CAST('2022-05-12' AS TIMESTAMP)),
  (CAST('2022-06-10' AS TIMESTAMP)),
  (CAST('2022-06-11' AS TIMESTAMP)),
  (CAST('2022-07-10' AS TIMESTAMP)),
  (CAST('2022-07-11' AS TIMESTAMP)),
  (CAST('2022-08-09' AS TIMESTAMP)),
  (CAST('2022-08-10' AS TIMESTAMP)),
  (CAST('2022-09-08' AS TIMESTAMP)),
  (CAST('2022-09-09' AS TIMESTAMP)),
  (CAST('2022-10-08' AS TIMESTAMP)),
  (CAST('2022-10-09' AS TIMESTAMP)),
  (CAST('2022-11-07' AS TIMESTAMP)),
  (CAST('2022-11-08' AS TIMESTAMP)),
  (CAST('2022-12-07' AS TIMESTAMP)),
  (CAST('2022-12-08' AS TIMESTAMP)),
  (CAST('2023-01-06' AS TIMESTAMP)),
  (CAST('2023-01-07' AS TIMESTAMP)),
  (CAST('2023-02-05' AS TIMESTAMP)),
  (CAST('2023-02-06' AS TIMESTAMP)),
  (CAST('2023-03-07' AS TIMESTAMP)),
  (CAST('2023-03-08' AS TIMESTAMP)),
  (CAST('2023-04-06' AS TIMESTAMP)),
  (CAST('2023-04-07' AS TIMESTAMP)),
  (CAST('2023-05-06' AS TIMESTAMP)),
  (CAST('2023-05-07' AS TIMESTAMP)),
  (CAST('2023-06-05' AS TIMESTAMP)),
  (CAST('2023-06-06' AS TIMESTAMP)),
  (CAST('2023-07-05' AS TIMESTAMP)),
  (CAST('2023-07-06' AS TIMESTAMP)),
  (CAST('2023-08-04' AS TIMESTAMP)),
  (CAST('2023-08-05' AS TIMESTAMP)),
  (CAST('2023-09-03' AS TIMESTAMP)),
  (CAST('2023-09-04' AS TIMESTAMP)),
  (CAST('2023-10-03' AS TIMESTAMP)),
  (CAST('2023-10-04' AS TIMESTAMP)),
  (CAST('2023-11-02' AS TIMESTAMP)),
  (CAST('2023-11-03' AS TIMESTAMP)),
  (CAST('2023-12-02' AS TIMESTAMP)),
  (CAST('2023-12-03' AS TIMESTAMP)),
  (CAST('2024-01-01' AS TIMESTAMP)),
  (CAST('2024-01-02' AS TIMESTAMP)),
  (CAST('2024-01-31' AS TIMESTAMP)),
  (CAST('2024-02-01' AS TIMESTAMP)),
  (CAST('2024-03-02' AS TIMESTAMP))) AS c("cutoff");

-- Who exists at each cutoff.
CREATE OR REPLACE TABLE foretell."population_38" AS
SELECT
  e."__row" AS entity,
  c."cutoff",
  c."cutoff" AS asked
FROM foretell."customers" AS e
CROSS JOIN foretell."cutoffs_35" AS c
WHERE
  e."__time" <= c."cutoff" AND (
    e."left" IS NULL OR e."left" > c."cutoff"
  );

-- COUNT over (cutoff + 0 days, cutoff + 30 days] of orders.
CREATE OR REPLACE TABLE foretell."value_39" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  COUNT(*) AS value
FROM foretell."events_2" AS e
JOIN foretell."cutoffs_35" AS c
  ON e."t" > c."cutoff" AND e."t" <= c."cutoff" + INTERVAL '30' DAY
GROUP BY
  e."anchor",
  c."cutoff";

-- COUNT over (cutoff + -90 days, cutoff + 0 days] of orders.
CREATE OR REPLACE TABLE foretell."value_40" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  COUNT(*) AS value
FROM foretell."events_4" AS e
JOIN foretell."cutoffs_35" AS c
  ON e."t" > c."cutoff" - INTERVAL '90' DAY AND e."t" <= c."cutoff"
GROUP BY
  e."anchor",
  c."cutoff";

-- The labels of those that WHERE chooses, where ASSUMING held and there is a value.
CREATE OR REPLACE TABLE foretell."labels_36" AS
SELECT
  *
FROM (
  SELECT
    r."entity",
    r."cutoff",
    (
      COALESCE(a0."value", 0) = 0
    ) AS label,
    COALESCE((
      COALESCE(a1."value", 0) > 0
    ), FALSE) AS chosen,
    TRUE AS assumed
  FROM foretell."population_38" AS r
  LEFT JOIN foretell."customers" AS e
    ON e."__row" = r."entity"
  LEFT JOIN foretell."value_39" AS a0
    ON a0."entity" = r."entity" AND a0."cutoff" = r."cutoff"
  LEFT JOIN foretell."value_40" AS a1
    ON a1."entity" = r."entity" AND a1."cutoff" = r."cutoff"
  ORDER BY
    r."cutoff",
    r."entity"
) AS l
WHERE
  l."chosen" AND l."assumed" AND NOT l."label" IS NULL;
CREATE OR REPLACE TABLE foretell."events_37" AS
SELECT
  l."entity" * 2 + p."phase" AS anchor,
  p."known" AS t,
  ROW_NUMBER() OVER (ORDER BY l."cutoff", l."entity") AS k,
  CAST(CAST(l."label" AS INT) AS DOUBLE) AS v0
FROM foretell."labels_36" AS l
JOIN (VALUES
  (CAST('2022-02-10' AS TIMESTAMP), CAST('2022-03-12' AS TIMESTAMP), 0),
  (CAST('2022-03-12' AS TIMESTAMP), CAST('2022-04-11' AS TIMESTAMP), 0),
  (CAST('2022-03-13' AS TIMESTAMP), CAST('2022-04-12' AS TIMESTAMP), 1),
  (CAST('2022-04-11' AS TIMESTAMP), CAST('2022-05-11' AS TIMESTAMP), 0),
  (CAST('2022-04-12' AS TIMESTAMP), CAST('2022-05-12' AS TIMESTAMP), 1),
  (CAST('2022-05-11' AS TIMESTAMP), CAST('2022-06-10' AS TIMESTAMP), 0),
  (CAST('2022-05-12' AS TIMESTAMP), CAST('2022-06-11' AS TIMESTAMP), 1),
  (CAST('2022-06-10' AS TIMESTAMP), CAST('2022-07-10' AS TIMESTAMP), 0),
  (CAST('2022-06-11' AS TIMESTAMP), CAST('2022-07-11' AS TIMESTAMP), 1),
  (CAST('2022-07-10' AS TIMESTAMP), CAST('2022-08-09' AS TIMESTAMP), 0),
  (CAST('2022-07-11' AS TIMESTAMP), CAST('2022-08-10' AS TIMESTAMP), 1),
  (CAST('2022-08-09' AS TIMESTAMP), CAST('2022-09-08' AS TIMESTAMP), 0),
  (CAST('2022-08-10' AS TIMESTAMP), CAST('2022-09-09' AS TIMESTAMP), 1),
  (CAST('2022-09-08' AS TIMESTAMP), CAST('2022-10-08' AS TIMESTAMP), 0),
  (CAST('2022-09-09' AS TIMESTAMP), CAST('2022-10-09' AS TIMESTAMP), 1),
  (CAST('2022-10-08' AS TIMESTAMP), CAST('2022-11-07' AS TIMESTAMP), 0),
  (CAST('2022-10-09' AS TIMESTAMP), CAST('2022-11-08' AS TIMESTAMP), 1),
  (CAST('2022-11-07' AS TIMESTAMP), CAST('2022-12-07' AS TIMESTAMP), 0),
  (CAST('2022-11-08' AS TIMESTAMP), CAST('2022-12-08' AS TIMESTAMP), 1),
  (CAST('2022-12-07' AS TIMESTAMP), CAST('2023-01-06' AS TIMESTAMP), 0),
  (CAST('2022-12-08' AS TIMESTAMP), CAST('2023-01-07' AS TIMESTAMP), 1),
  (CAST('2023-01-06' AS TIMESTAMP), CAST('2023-02-05' AS TIMESTAMP), 0),
  (CAST('2023-01-07' AS TIMESTAMP), CAST('2023-02-06' AS TIMESTAMP), 1),
  (CAST('2023-02-05' AS TIMESTAMP), CAST('2023-03-07' AS TIMESTAMP), 0),
  (CAST('2023-02-06' AS TIMESTAMP), CAST('2023-03-08' AS TIMESTAMP), 1),
  (CAST('2023-03-07' AS TIMESTAMP), CAST('2023-04-06' AS TIMESTAMP), 0),
  (CAST('2023-03-08' AS TIMESTAMP), CAST('2023-04-07' AS TIMESTAMP), 1),
  (CAST('2023-04-06' AS TIMESTAMP), CAST('2023-05-06' AS TIMESTAMP), 0),
  (CAST('2023-04-07' AS TIMESTAMP), CAST('2023-05-07' AS TIMESTAMP), 1),
  (CAST('2023-05-06' AS TIMESTAMP), CAST('2023-06-05' AS TIMESTAMP), 0),
  (CAST('2023-05-07' AS TIMESTAMP), CAST('2023-06-06' AS TIMESTAMP), 1),
  (CAST('2023-06-05' AS TIMESTAMP), CAST('2023-07-05' AS TIMESTAMP), 0),
  (CAST('2023-06-06' AS TIMESTAMP), CAST('2023-07-06' AS TIMESTAMP), 1),
  (CAST('2023-07-05' AS TIMESTAMP), CAST('2023-08-04' AS TIMESTAMP), 0),
  (CAST('2023-07-06' AS TIMESTAMP), CAST('2023-08-05' AS TIMESTAMP), 1),
  (CAST('2023-08-04' AS TIMESTAMP), CAST('2023-09-03' AS TIMESTAMP), 0),
  (CAST('2023-08-05' AS TIMESTAMP), CAST('2023-09-04' AS TIMESTAMP), 1),
  (CAST('2023-09-03' AS TIMESTAMP), CAST('2023-10-03' AS TIMESTAMP), 0),
  (CAST('2023-09-04' AS TIMESTAMP), CAST('2023-10-04' AS TIMESTAMP), 1),
  (CAST('2023-10-03' AS TIMESTAMP), CAST('2023-11-02' AS TIMESTAMP), 0),
  (CAST('2023-10-04' AS TIMESTAMP), CAST('2023-11-03' AS TIMESTAMP), 1),
  (CAST('2023-11-02' AS TIMESTAMP), CAST('2023-12-02' AS TIMESTAMP), 0),
  (CAST('2023-11-03' AS TIMESTAMP), CAST('2023-12-03' AS TIMESTAMP), 1),
  (CAST('2023-12-02' AS TIMESTAMP), CAST('2024-01-01' AS TIMESTAMP), 0),
  (CAST('2023-12-03' AS TIMESTAMP), CAST('2024-01-02' AS TIMESTAMP), 1),
  (CAST('2024-01-01' AS TIMESTAMP), CAST('2024-01-31' AS TIMESTAMP), 0),
  (CAST('2024-01-02' AS TIMESTAMP), CAST('2024-02-01' AS TIMESTAMP), 1),
  (CAST('2024-01-31' AS TIMESTAMP), CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-02-01' AS TIMESTAMP), CAST('2024-03-02' AS TIMESTAMP), 1),
  (CAST('2024-03-02' AS TIMESTAMP), CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "known", "phase")
  ON p."cutoff" = l."cutoff"
WHERE
  l."cutoff" >= (
    SELECT
      MIN(e."__time")
    FROM foretell."orders" AS e
  );
CREATE OR REPLACE TABLE foretell."block_34_rows" AS
SELECT
  r."row",
  r."entity" * 2 + p."phase" AS anchor,
  p."until" AS cutoff
FROM foretell."rows" AS r
JOIN (VALUES
  (CAST('2024-03-01' AS TIMESTAMP), CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-04-01' AS TIMESTAMP), CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "until", "phase")
  ON p."cutoff" = r."cutoff";
CREATE OR REPLACE TABLE foretell."block_34_latest" AS
SELECT
  *
FROM (
  SELECT
    r."row" AS anchor,
    e."t",
    e."k",
    ROW_NUMBER() OVER (PARTITION BY r."row" ORDER BY e."k" DESC) AS place,
    e."v0"
  FROM foretell."events_37" AS e
  JOIN foretell."block_34_rows" AS r
    ON e."anchor" = r."anchor" AND e."t" <= r."cutoff"
) AS e
WHERE
  e."place" <= 5
ORDER BY
  e."k";
CREATE OR REPLACE TABLE foretell."block_34_own" AS
SELECT
  r."row",
  r."row" AS anchor,
  r."cutoff"
FROM foretell."block_34_rows" AS r;
CREATE OR REPLACE TABLE foretell."block_34_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  e."place",
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum,
  VAR_POP(e."v0") * COUNT(e."v0") AS v0_m2
FROM foretell."block_34_latest" AS e
GROUP BY
  e."anchor",
  e."t",
  e."place"
ORDER BY
  "at",
  anchor,
  place;
CREATE OR REPLACE TABLE foretell."block_34_means" AS
SELECT
  j."row",
  j."ring",
  SUM(j."v0_sum") / NULLIF(SUM(j."v0_n"), 0) AS v0_sum_mean
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."place" <= 5 THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_n",
    u."v0_sum",
    u."v0_m2"
  FROM foretell."block_34_units" AS u
  JOIN foretell."block_34_own" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_34_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."v0_n") AS v0_n,
  SUM(j."v0_sum") AS v0_sum,
  SUM(
    j."v0_m2" + j."v0_n" * (
      j."v0_sum" / j."v0_n" - m."v0_sum_mean"
    ) * (
      j."v0_sum" / j."v0_n" - m."v0_sum_mean"
    )
  ) AS v0_m2
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."place" <= 5 THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_n",
    u."v0_sum",
    u."v0_m2"
  FROM foretell."block_34_units" AS u
  JOIN foretell."block_34_own" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
JOIN foretell."block_34_means" AS m
  ON m."row" = j."row" AND m."ring" = j."ring"
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_34_wide" AS
SELECT
  g."row",
  SUM(g."v0_sum") FILTER(WHERE
    g."ring" <= 0) / NULLIF(SUM(g."v0_n") FILTER(WHERE
    g."ring" <= 0), 0) AS v0_sum_mean_0
FROM foretell."block_34_rings" AS g
GROUP BY
  g."row";
CREATE OR REPLACE TABLE foretell."features_41" AS
SELECT
  g."row",
  CASE
    WHEN SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0) > 1
    THEN SQRT(
      GREATEST(
        SUM(
          g."v0_m2" + g."v0_n" * (
            g."v0_sum" / g."v0_n" - m."v0_sum_mean_0"
          ) * (
            g."v0_sum" / g."v0_n" - m."v0_sum_mean_0"
          )
        ) FILTER(WHERE
          g."ring" <= 0),
        0
      ) / (
        SUM(g."v0_n") FILTER(WHERE
          g."ring" <= 0) - 1
      )
    )
  END AS "label.std.last5"
FROM foretell."block_34_rings" AS g
JOIN foretell."block_34_wide" AS m
  ON m."row" = g."row"
GROUP BY
  g."row";

-- The features, one row for each (entity, cutoff).

--   orders.recency.all over orders.gap.last5: days since the last of orders so far, divided by the mean days between orders over the last 5

--   region>customers.recency.all over region>customers.gap.last5: days since the last of customers of the same region so far, divided by the mean days between customers of the same region over the last 5
SELECT
  e."id",
  r."cutoff",
  COALESCE(f0."orders.count.30d", 0) AS "orders.count.30d",
  f0."orders.channel.last_category.all" AS "orders.channel.last_category.all",
  COALESCE(f0."orders.channel=shop.sum.all", 0) AS "orders.channel=shop.sum.all",
  f1."visits.recency.all" AS "visits.recency.all",
  f2."orders.amount.mean.last20" AS "orders.amount.mean.last20",
  f2."orders.channel=web.mean.last20" AS "orders.channel=web.mean.last20",
  f3."orders.rating.max.90d" AS "orders.rating.max.90d",
  f4."orders>lines.gap.all" AS "orders>lines.gap.all",
  f4."orders>lines.price.std.all" AS "orders>lines.price.std.all",
  f7."label.last" AS "label.last",
  f8."label.std.last5" AS "label.std.last5",
  CASE
    WHEN f2."orders.gap.last5" > 0
    THEN f0."orders.recency.all" / f2."orders.gap.last5"
  END AS "orders.recency.all over orders.gap.last5",
  CASE
    WHEN f6."region>customers.gap.last5" > 0
    THEN f5."region>customers.recency.all" / f6."region>customers.gap.last5"
  END AS "region>customers.recency.all over region>customers.gap.last5"
FROM foretell."rows" AS r
JOIN foretell."customers" AS e
  ON e."__row" = r."entity"
LEFT JOIN foretell."features_8" AS f0
  ON f0."row" = r."row"
LEFT JOIN foretell."features_11" AS f1
  ON f1."row" = r."row"
LEFT JOIN foretell."features_14" AS f2
  ON f2."row" = r."row"
LEFT JOIN foretell."features_17" AS f3
  ON f3."row" = r."row"
LEFT JOIN foretell."features_20" AS f4
  ON f4."row" = r."row"
LEFT JOIN foretell."features_23" AS f5
  ON f5."row" = r."row"
LEFT JOIN foretell."features_25" AS f6
  ON f6."row" = r."row"
LEFT JOIN foretell."features_33" AS f7
  ON f7."row" = r."row"
LEFT JOIN foretell."features_41" AS f8
  ON f8."row" = r."row"
ORDER BY
  r."row";
