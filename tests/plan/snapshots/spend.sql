
-- PREDICT SUM(lines.price WHERE lines.price > 1, 0, 1, month) FOR EACH customers.id
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
CREATE OR REPLACE TABLE foretell."events_2" AS
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
WHERE
  (
    e0."price" > 1
  )
ORDER BY
  k;

-- SUM over (cutoff + 0 months, cutoff + 1 month] of lines.
CREATE OR REPLACE TABLE foretell."value_3" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  SUM(e."v0" ORDER BY e."k") AS value
FROM foretell."events_2" AS e
JOIN foretell."cutoffs" AS c
  ON e."t" > c."cutoff" AND e."t" <= c."cutoff" + INTERVAL '1' MONTH
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
    NULLIF(
      NULLIF(NULLIF(COALESCE(a0."value", 0), CAST('NaN' AS DOUBLE)), CAST('Infinity' AS DOUBLE)),
      CAST('-Infinity' AS DOUBLE)
    ) AS label,
    TRUE AS chosen,
    TRUE AS assumed
  FROM foretell."population_1" AS r
  LEFT JOIN foretell."customers" AS e
    ON e."__row" = r."entity"
  LEFT JOIN foretell."value_3" AS a0
    ON a0."entity" = r."entity" AND a0."cutoff" = r."cutoff"
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

-- 1 features:
--   visits.count.all: number of visits so far

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
CREATE OR REPLACE TABLE foretell."events_5" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k
FROM foretell."visits" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_4_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_4_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(*) AS rows
FROM foretell."events_5" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_4_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."rows") AS rows
FROM (
  SELECT
    r."row",
    r."cutoff",
    CAST(0 AS INT) AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."rows"
  FROM foretell."block_4_units" AS u
  JOIN foretell."block_4_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_6" AS
SELECT
  g."row",
  COALESCE(SUM(g."rows"), 0) AS "visits.count.all"
FROM foretell."block_4_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   visits.gap.last5: mean days between visits over the last 5
CREATE OR REPLACE TABLE foretell."block_7_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_7_latest" AS
SELECT
  *
FROM (
  SELECT
    r."row" AS anchor,
    e."t",
    e."k",
    ROW_NUMBER() OVER (PARTITION BY r."row" ORDER BY e."k" DESC) AS place
  FROM foretell."events_5" AS e
  JOIN foretell."block_7_rows" AS r
    ON e."anchor" = r."anchor" AND e."t" <= r."cutoff"
) AS e
WHERE
  e."place" <= 5
ORDER BY
  e."k";
CREATE OR REPLACE TABLE foretell."block_7_own" AS
SELECT
  r."row",
  r."row" AS anchor,
  r."cutoff"
FROM foretell."block_7_rows" AS r;
CREATE OR REPLACE TABLE foretell."block_7_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  e."place",
  COUNT(*) AS rows,
  MIN(e."t") AS first,
  MAX(e."t") AS latest
FROM foretell."block_7_latest" AS e
GROUP BY
  e."anchor",
  e."t",
  e."place"
ORDER BY
  "at",
  anchor,
  place;
CREATE OR REPLACE TABLE foretell."block_7_rings" AS
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
  FROM foretell."block_7_units" AS u
  JOIN foretell."block_7_own" AS r
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
  END AS "visits.gap.last5"
FROM foretell."block_7_rings" AS g
GROUP BY
  g."row";

-- 2 features:
--   orders.channel.last_category.all: last channel of orders so far
--   orders.amount.max.3mo: highest amount of orders in the last 3 months

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_10" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k,
  CAST(e0."channel" AS TEXT) AS v0,
  CASE
    WHEN ABS(CAST(e0."amount" AS DOUBLE)) < 1e150
    THEN CAST(e0."amount" AS DOUBLE)
  END AS v1
FROM foretell."orders" AS e0
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
  ARG_MAX(e."v0", e."k") AS v0_last,
  MAX(CASE WHEN NOT e."v0" IS NULL THEN e."k" END) AS v0_last_k,
  MAX(e."v1") AS v1_max
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
  ARG_MAX(j."v0_last", j."v0_last_k") AS v0_last,
  MAX(j."v0_last_k") AS v0_last_k,
  MAX(j."v1_max") AS v1_max
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '3' MONTH THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_last",
    u."v0_last_k",
    u."v1_max"
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
  ARG_MAX(g."v0_last", g."v0_last_k") AS "orders.channel.last_category.all",
  MAX(g."v1_max") FILTER(WHERE
    g."ring" <= 0) AS "orders.amount.max.3mo"
FROM foretell."block_9_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   orders.rating.mean.last20: mean rating of orders over the last 20

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_13" AS
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
    e."v0"
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
  SUM(e."v0") AS v0_sum
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
  SUM(j."v0_sum") AS v0_sum
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."place" <= 20 THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_n",
    u."v0_sum"
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
      g."ring" <= 0) > 0
    THEN SUM(g."v0_sum") FILTER(WHERE
      g."ring" <= 0) / SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0)
  END AS "orders.rating.mean.last20"
FROM foretell."block_12_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   orders.rating.min.all: lowest rating of orders so far
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
  MIN(e."v0") AS v0_min
FROM foretell."events_13" AS e
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
  MIN(j."v0_min") AS v0_min
FROM (
  SELECT
    r."row",
    r."cutoff",
    CAST(0 AS INT) AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_min"
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
CREATE OR REPLACE TABLE foretell."features_16" AS
SELECT
  g."row",
  MIN(g."v0_min") AS "orders.rating.min.all"
FROM foretell."block_15_rings" AS g
GROUP BY
  g."row";

-- 2 features:
--   orders>lines.tenure.all: days since the first of lines so far
--   orders>lines.price.trend.all: trend (slope per day) of price of lines so far

-- Events of lines → orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_18" AS
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
CREATE OR REPLACE TABLE foretell."block_17_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff" AS cutoff
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_17_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  MIN(e."t") AS first,
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum,
  SUM(CASE WHEN NOT e."v0" IS NULL THEN (
    EPOCH(e."t") / 86400.0 - 14610
  ) END) AS v0_x,
  VAR_POP(CASE WHEN NOT e."v0" IS NULL THEN (
    EPOCH(e."t") / 86400.0 - 14610
  ) END) * COUNT(e."v0") AS v0_sxx,
  COVAR_POP(e."v0", (
    EPOCH(e."t") / 86400.0 - 14610
  )) * COUNT(e."v0") AS v0_sxv
FROM foretell."events_18" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_17_means" AS
SELECT
  j."row",
  j."ring",
  SUM(j."v0_sum") / NULLIF(SUM(j."v0_n"), 0) AS v0_sum_mean,
  SUM(j."v0_x") / NULLIF(SUM(j."v0_n"), 0) AS v0_x_mean
FROM (
  SELECT
    r."row",
    r."cutoff",
    CAST(0 AS INT) AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."first",
    u."v0_n",
    u."v0_sum",
    u."v0_x",
    u."v0_sxx",
    u."v0_sxv"
  FROM foretell."block_17_units" AS u
  JOIN foretell."block_17_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_17_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  MIN(j."first") AS first,
  SUM(j."v0_n") AS v0_n,
  SUM(j."v0_sum") AS v0_sum,
  SUM(j."v0_x") AS v0_x,
  SUM(
    j."v0_sxx" + j."v0_n" * (
      j."v0_x" / j."v0_n" - m."v0_x_mean"
    ) * (
      j."v0_x" / j."v0_n" - m."v0_x_mean"
    )
  ) AS v0_sxx,
  SUM(
    j."v0_sxv" + j."v0_n" * (
      j."v0_x" / j."v0_n" - m."v0_x_mean"
    ) * (
      j."v0_sum" / j."v0_n" - m."v0_sum_mean"
    )
  ) AS v0_sxv
FROM (
  SELECT
    r."row",
    r."cutoff",
    CAST(0 AS INT) AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."first",
    u."v0_n",
    u."v0_sum",
    u."v0_x",
    u."v0_sxx",
    u."v0_sxv"
  FROM foretell."block_17_units" AS u
  JOIN foretell."block_17_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
JOIN foretell."block_17_means" AS m
  ON m."row" = j."row" AND m."ring" = j."ring"
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_17_wide" AS
SELECT
  g."row",
  SUM(g."v0_sum") / NULLIF(SUM(g."v0_n"), 0) AS v0_sum_mean,
  SUM(g."v0_x") / NULLIF(SUM(g."v0_n"), 0) AS v0_x_mean
FROM foretell."block_17_rings" AS g
GROUP BY
  g."row";
CREATE OR REPLACE TABLE foretell."features_19" AS
SELECT
  g."row",
  (
    EPOCH(MAX(g."cutoff")) - EPOCH(MIN(g."first"))
  ) / 86400.0 AS "orders>lines.tenure.all",
  CASE
    WHEN SUM(g."v0_n") > 2
    AND SUM(
      g."v0_sxx" + g."v0_n" * (
        g."v0_x" / g."v0_n" - m."v0_x_mean"
      ) * (
        g."v0_x" / g."v0_n" - m."v0_x_mean"
      )
    ) > 1e-9
    THEN SUM(
      g."v0_sxv" + g."v0_n" * (
        g."v0_x" / g."v0_n" - m."v0_x_mean"
      ) * (
        g."v0_sum" / g."v0_n" - m."v0_sum_mean"
      )
    ) / SUM(
      g."v0_sxx" + g."v0_n" * (
        g."v0_x" / g."v0_n" - m."v0_x_mean"
      ) * (
        g."v0_x" / g."v0_n" - m."v0_x_mean"
      )
    )
  END AS "orders>lines.price.trend.all"
FROM foretell."block_17_rings" AS g
JOIN foretell."block_17_wide" AS m
  ON m."row" = g."row"
GROUP BY
  g."row";

-- 1 features:
--   label.last: the last known value

-- The entity's own labels at earlier cutoffs count from the close of their windows on.
CREATE OR REPLACE TABLE foretell."cutoffs_21" AS
SELECT
  *
FROM (VALUES
  (CAST('2022-02-01' AS TIMESTAMP)),
  (CAST('2022-03-01' AS TIMESTAMP)),
  (CAST('2022-04-01' AS TIMESTAMP)),
  (CAST('2022-05-01' AS TIMESTAMP)),
  (CAST('2022-06-01' AS TIMESTAMP)),
  (CAST('2022-07-01' AS TIMESTAMP)),
  (CAST('2022-08-01' AS TIMESTAMP)),
  (CAST('2022-09-01' AS TIMESTAMP)),
  (CAST('2022-10-01' AS TIMESTAMP)),
  (CAST('2022-11-01' AS TIMESTAMP)),
  (CAST('2022-12-01' AS TIMESTAMP)),
  (CAST('2023-01-01' AS TIMESTAMP)),
  (CAST('2023-02-01' AS TIMESTAMP)),
  (CAST('2023-03-01' AS TIMESTAMP)),
  (CAST('2023-04-01' AS TIMESTAMP)),
  (CAST('2023-05-01' AS TIMESTAMP)),
  (CAST('2023-06-01' AS TIMESTAMP)),
  (CAST('2023-07-01' AS TIMESTAMP)),
  (CAST('2023-08-01' AS TIMESTAMP)),
  (CAST('2023-09-01' AS TIMESTAMP)),
  (CAST('2023-10-01' AS TIMESTAMP)),
  (CAST('2023-11-01' AS TIMESTAMP)),
  (CAST('2023-12-01' AS TIMESTAMP)),
  (CAST('2024-01-01' AS TIMESTAMP)),
  (CAST('2024-02-01' AS TIMESTAMP)),
  (CAST('2024-03-01' AS TIMESTAMP))) AS c("cutoff");

-- Who exists at each cutoff.
CREATE OR REPLACE TABLE foretell."population_24" AS
SELECT
  e."__row" AS entity,
  c."cutoff",
  c."cutoff" AS asked
FROM foretell."customers" AS e
CROSS JOIN foretell."cutoffs_21" AS c
WHERE
  e."__time" <= c."cutoff" AND (
    e."left" IS NULL OR e."left" > c."cutoff"
  );

-- SUM over (cutoff + 0 months, cutoff + 1 month] of lines.
CREATE OR REPLACE TABLE foretell."value_25" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  SUM(e."v0" ORDER BY e."k") AS value
FROM foretell."events_2" AS e
JOIN foretell."cutoffs_21" AS c
  ON e."t" > c."cutoff" AND e."t" <= c."cutoff" + INTERVAL '1' MONTH
GROUP BY
  e."anchor",
  c."cutoff";

-- The labels of those that WHERE chooses, where ASSUMING held and there is a value.
CREATE OR REPLACE TABLE foretell."labels_22" AS
SELECT
  *
FROM (
  SELECT
    r."entity",
    r."cutoff",
    NULLIF(
      NULLIF(NULLIF(COALESCE(a0."value", 0), CAST('NaN' AS DOUBLE)), CAST('Infinity' AS DOUBLE)),
      CAST('-Infinity' AS DOUBLE)
    ) AS label,
    TRUE AS chosen,
    TRUE AS assumed
  FROM foretell."population_24" AS r
  LEFT JOIN foretell."customers" AS e
    ON e."__row" = r."entity"
  LEFT JOIN foretell."value_25" AS a0
    ON a0."entity" = r."entity" AND a0."cutoff" = r."cutoff"
  ORDER BY
    r."cutoff",
    r."entity"
) AS l
WHERE
  l."chosen" AND l."assumed" AND NOT l."label" IS NULL;
CREATE OR REPLACE TABLE foretell."events_23" AS
SELECT
  l."entity" * 2 + p."phase" AS anchor,
  p."known" AS t,
  ROW_NUMBER() OVER (ORDER BY l."cutoff", l."entity") AS k,
  CAST(l."label" AS DOUBLE) AS v0
FROM foretell."labels_22" AS l
JOIN (VALUES
  (CAST('2022-02-01' AS TIMESTAMP), CAST('2022-03-01' AS TIMESTAMP), 0),
  (CAST('2022-03-01' AS TIMESTAMP), CAST('2022-04-01' AS TIMESTAMP), 0),
  (CAST('2022-03-01' AS TIMESTAMP), CAST('2022-04-01' AS TIMESTAMP), 1),
  (CAST('2022-04-01' AS TIMESTAMP), CAST('2022-05-01' AS TIMESTAMP), 0),
  (CAST('2022-04-01' AS TIMESTAMP), CAST('2022-05-01' AS TIMESTAMP), 1),
  (CAST('2022-05-01' AS TIMESTAMP), CAST('2022-06-01' AS TIMESTAMP), 0),
  (CAST('2022-05-01' AS TIMESTAMP), CAST('2022-06-01' AS TIMESTAMP), 1),
  (CAST('2022-06-01' AS TIMESTAMP), CAST('2022-07-01' AS TIMESTAMP), 0),
  (CAST('2022-06-01' AS TIMESTAMP), CAST('2022-07-01' AS TIMESTAMP), 1),
  (CAST('2022-07-01' AS TIMESTAMP), CAST('2022-08-01' AS TIMESTAMP), 0),
  (CAST('2022-07-01' AS TIMESTAMP), CAST('2022-08-01' AS TIMESTAMP), 1),
  (CAST('2022-08-01' AS TIMESTAMP), CAST('2022-09-01' AS TIMESTAMP), 0),
  (CAST('2022-08-01' AS TIMESTAMP), CAST('2022-09-01' AS TIMESTAMP), 1),
  (CAST('2022-09-01' AS TIMESTAMP), CAST('2022-10-01' AS TIMESTAMP), 0),
  (CAST('2022-09-01' AS TIMESTAMP), CAST('2022-10-01' AS TIMESTAMP), 1),
  (CAST('2022-10-01' AS TIMESTAMP), CAST('2022-11-01' AS TIMESTAMP), 0),
  (CAST('2022-10-01' AS TIMESTAMP), CAST('2022-11-01' AS TIMESTAMP), 1),
  (CAST('2022-11-01' AS TIMESTAMP), CAST('2022-12-01' AS TIMESTAMP), 0),
  (CAST('2022-11-01' AS TIMESTAMP), CAST('2022-12-01' AS TIMESTAMP), 1),
  (CAST('2022-12-01' AS TIMESTAMP), CAST('2023-01-01' AS TIMESTAMP), 0),
  (CAST('2022-12-01' AS TIMESTAMP), CAST('2023-01-01' AS TIMESTAMP), 1),
  (CAST('2023-01-01' AS TIMESTAMP), CAST('2023-02-01' AS TIMESTAMP), 0),
  (CAST('2023-01-01' AS TIMESTAMP), CAST('2023-02-01' AS TIMESTAMP), 1),
  (CAST('2023-02-01' AS TIMESTAMP), CAST('2023-03-01' AS TIMESTAMP), 0),
  (CAST('2023-02-01' AS TIMESTAMP), CAST('2023-03-01' AS TIMESTAMP), 1),
  (CAST('2023-03-01' AS TIMESTAMP), CAST('2023-04-01' AS TIMESTAMP), 0),
  (CAST('2023-03-01' AS TIMESTAMP), CAST('2023-04-01' AS TIMESTAMP), 1),
  (CAST('2023-04-01' AS TIMESTAMP), CAST('2023-05-01' AS TIMESTAMP), 0),
  (CAST('2023-04-01' AS TIMESTAMP), CAST('2023-05-01' AS TIMESTAMP), 1),
  (CAST('2023-05-01' AS TIMESTAMP), CAST('2023-06-01' AS TIMESTAMP), 0),
  (CAST('2023-05-01' AS TIMESTAMP), CAST('2023-06-01' AS TIMESTAMP), 1),
  (CAST('2023-06-01' AS TIMESTAMP), CAST('2023-07-01' AS TIMESTAMP), 0),
  (CAST('2023-06-01' AS TIMESTAMP), CAST('2023-07-01' AS TIMESTAMP), 1),
  (CAST('2023-07-01' AS TIMESTAMP), CAST('2023-08-01' AS TIMESTAMP), 0),
  (CAST('2023-07-01' AS TIMESTAMP), CAST('2023-08-01' AS TIMESTAMP), 1),
  (CAST('2023-08-01' AS TIMESTAMP), CAST('2023-09-01' AS TIMESTAMP), 0),
  (CAST('2023-08-01' AS TIMESTAMP), CAST('2023-09-01' AS TIMESTAMP), 1),
  (CAST('2023-09-01' AS TIMESTAMP), CAST('2023-10-01' AS TIMESTAMP), 0),
  (CAST('2023-09-01' AS TIMESTAMP), CAST('2023-10-01' AS TIMESTAMP), 1),
  (CAST('2023-10-01' AS TIMESTAMP), CAST('2023-11-01' AS TIMESTAMP), 0),
  (CAST('2023-10-01' AS TIMESTAMP), CAST('2023-11-01' AS TIMESTAMP), 1),
  (CAST('2023-11-01' AS TIMESTAMP), CAST('2023-12-01' AS TIMESTAMP), 0),
  (CAST('2023-11-01' AS TIMESTAMP), CAST('2023-12-01' AS TIMESTAMP), 1),
  (CAST('2023-12-01' AS TIMESTAMP), CAST('2024-01-01' AS TIMESTAMP), 0),
  (CAST('2023-12-01' AS TIMESTAMP), CAST('2024-01-01' AS TIMESTAMP), 1),
  (CAST('2024-01-01' AS TIMESTAMP), CAST('2024-02-01' AS TIMESTAMP), 0),
  (CAST('2024-01-01' AS TIMESTAMP), CAST('2024-02-01' AS TIMESTAMP), 1),
  (CAST('2024-02-01' AS TIMESTAMP), CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-02-01' AS TIMESTAMP), CAST('2024-03-01' AS TIMESTAMP), 1),
  (CAST('2024-03-01' AS TIMESTAMP), CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "known", "phase")
  ON p."cutoff" = l."cutoff"
WHERE
  l."cutoff" >= (
    SELECT
      MIN(e."__time")
    FROM foretell."lines" AS e
  );
CREATE OR REPLACE TABLE foretell."block_20_rows" AS
SELECT
  r."row",
  r."entity" * 2 + p."phase" AS anchor,
  p."until" AS cutoff
FROM foretell."rows" AS r
JOIN (VALUES
  (CAST('2024-03-01' AS TIMESTAMP), CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-04-01' AS TIMESTAMP), CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "until", "phase")
  ON p."cutoff" = r."cutoff";
CREATE OR REPLACE TABLE foretell."block_20_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  ARG_MAX(e."v0", e."k") AS v0_last,
  MAX(CASE WHEN NOT e."v0" IS NULL THEN e."k" END) AS v0_last_k
FROM foretell."events_23" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_20_rings" AS
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
    CASE WHEN u."at" > r."cutoff" - INTERVAL '24' MONTH THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_last",
    u."v0_last_k"
  FROM foretell."block_20_units" AS u
  JOIN foretell."block_20_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_26" AS
SELECT
  g."row",
  ARG_MAX(g."v0_last", g."v0_last_k") FILTER(WHERE
    g."ring" <= 0) AS "label.last"
FROM foretell."block_20_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   label.everyone.mean.1: mean value of everyone over the last window

-- Everyone's labels at earlier cutoffs count from the close of their windows on.
CREATE OR REPLACE TABLE foretell."cutoffs_28" AS
SELECT
  *
FROM (VALUES
  (CAST('2022-02-01' AS TIMESTAMP)),
  (CAST('2022-03-01' AS TIMESTAMP)),
  (CAST('2022-04-01' AS TIMESTAMP)),
  (CAST('2022-05-01' AS TIMESTAMP)),
  (CAST('2022-06-01' AS TIMESTAMP)),
  (CAST('2022-07-01' AS TIMESTAMP)),
  (CAST('2022-08-01' AS TIMESTAMP)),
  (CAST('2022-09-01' AS TIMESTAMP)),
  (CAST('2022-10-01' AS TIMESTAMP)),
  (CAST('2022-11-01' AS TIMESTAMP)),
  (CAST('2022-12-01' AS TIMESTAMP)),
  (CAST('2023-01-01' AS TIMESTAMP)),
  (CAST('2023-02-01' AS TIMESTAMP)),
  (CAST('2023-03-01' AS TIMESTAMP)),
  (CAST('2023-04-01' AS TIMESTAMP)),
  (CAST('2023-05-01' AS TIMESTAMP)),
  (CAST('2023-06-01' AS TIMESTAMP)),
  (CAST('2023-07-01' AS TIMESTAMP)),
  (CAST('2023-08-01' AS TIMESTAMP)),
  (CAST('2023-09-01' AS TIMESTAMP)),
  (CAST('2023-10-01' AS TIMESTAMP)),
  (CAST('2023-11-01' AS TIMESTAMP)),
  (CAST('2023-12-01' AS TIMESTAMP)),
  (CAST('2024-01-01' AS TIMESTAMP)),
  (CAST('2024-02-01' AS TIMESTAMP)),
  (CAST('2024-03-01' AS TIMESTAMP))) AS c("cutoff");

-- Who exists at each cutoff.
CREATE OR REPLACE TABLE foretell."population_31" AS
SELECT
  e."__row" AS entity,
  c."cutoff",
  c."cutoff" AS asked
FROM foretell."customers" AS e
CROSS JOIN foretell."cutoffs_28" AS c
WHERE
  e."__time" <= c."cutoff" AND (
    e."left" IS NULL OR e."left" > c."cutoff"
  );

-- SUM over (cutoff + 0 months, cutoff + 1 month] of lines.
CREATE OR REPLACE TABLE foretell."value_32" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  SUM(e."v0" ORDER BY e."k") AS value
FROM foretell."events_2" AS e
JOIN foretell."cutoffs_28" AS c
  ON e."t" > c."cutoff" AND e."t" <= c."cutoff" + INTERVAL '1' MONTH
GROUP BY
  e."anchor",
  c."cutoff";

-- The labels of those that WHERE chooses, where ASSUMING held and there is a value.
CREATE OR REPLACE TABLE foretell."labels_29" AS
SELECT
  *
FROM (
  SELECT
    r."entity",
    r."cutoff",
    NULLIF(
      NULLIF(NULLIF(COALESCE(a0."value", 0), CAST('NaN' AS DOUBLE)), CAST('Infinity' AS DOUBLE)),
      CAST('-Infinity' AS DOUBLE)
    ) AS label,
    TRUE AS chosen,
    TRUE AS assumed
  FROM foretell."population_31" AS r
  LEFT JOIN foretell."customers" AS e
    ON e."__row" = r."entity"
  LEFT JOIN foretell."value_32" AS a0
    ON a0."entity" = r."entity" AND a0."cutoff" = r."cutoff"
  ORDER BY
    r."cutoff",
    r."entity"
) AS l
WHERE
  l."chosen" AND l."assumed" AND NOT l."label" IS NULL;
CREATE OR REPLACE TABLE foretell."events_30" AS
SELECT
  p."phase" AS anchor,
  p."known" AS t,
  ROW_NUMBER() OVER (ORDER BY l."cutoff", l."entity") AS k,
  CAST(l."label" AS DOUBLE) AS v0
FROM foretell."labels_29" AS l
JOIN (VALUES
  (CAST('2022-02-01' AS TIMESTAMP), CAST('2022-03-01' AS TIMESTAMP), 0),
  (CAST('2022-03-01' AS TIMESTAMP), CAST('2022-04-01' AS TIMESTAMP), 0),
  (CAST('2022-03-01' AS TIMESTAMP), CAST('2022-04-01' AS TIMESTAMP), 1),
  (CAST('2022-04-01' AS TIMESTAMP), CAST('2022-05-01' AS TIMESTAMP), 0),
  (CAST('2022-04-01' AS TIMESTAMP), CAST('2022-05-01' AS TIMESTAMP), 1),
  (CAST('2022-05-01' AS TIMESTAMP), CAST('2022-06-01' AS TIMESTAMP), 0),
  (CAST('2022-05-01' AS TIMESTAMP), CAST('2022-06-01' AS TIMESTAMP), 1),
  (CAST('2022-06-01' AS TIMESTAMP), CAST('2022-07-01' AS TIMESTAMP), 0),
  (CAST('2022-06-01' AS TIMESTAMP), CAST('2022-07-01' AS TIMESTAMP), 1),
  (CAST('2022-07-01' AS TIMESTAMP), CAST('2022-08-01' AS TIMESTAMP), 0),
  (CAST('2022-07-01' AS TIMESTAMP), CAST('2022-08-01' AS TIMESTAMP), 1),
  (CAST('2022-08-01' AS TIMESTAMP), CAST('2022-09-01' AS TIMESTAMP), 0),
  (CAST('2022-08-01' AS TIMESTAMP), CAST('2022-09-01' AS TIMESTAMP), 1),
  (CAST('2022-09-01' AS TIMESTAMP), CAST('2022-10-01' AS TIMESTAMP), 0),
  (CAST('2022-09-01' AS TIMESTAMP), CAST('2022-10-01' AS TIMESTAMP), 1),
  (CAST('2022-10-01' AS TIMESTAMP), CAST('2022-11-01' AS TIMESTAMP), 0),
  (CAST('2022-10-01' AS TIMESTAMP), CAST('2022-11-01' AS TIMESTAMP), 1),
  (CAST('2022-11-01' AS TIMESTAMP), CAST('2022-12-01' AS TIMESTAMP), 0),
  (CAST('2022-11-01' AS TIMESTAMP), CAST('2022-12-01' AS TIMESTAMP), 1),
  (CAST('2022-12-01' AS TIMESTAMP), CAST('2023-01-01' AS TIMESTAMP), 0),
  (CAST('2022-12-01' AS TIMESTAMP), CAST('2023-01-01' AS TIMESTAMP), 1),
  (CAST('2023-01-01' AS TIMESTAMP), CAST('2023-02-01' AS TIMESTAMP), 0),
  (CAST('2023-01-01' AS TIMESTAMP), CAST('2023-02-01' AS TIMESTAMP), 1),
  (CAST('2023-02-01' AS TIMESTAMP), CAST('2023-03-01' AS TIMESTAMP), 0),
  (CAST('2023-02-01' AS TIMESTAMP), CAST('2023-03-01' AS TIMESTAMP), 1),
  (CAST('2023-03-01' AS TIMESTAMP), CAST('2023-04-01' AS TIMESTAMP), 0),
  (CAST('2023-03-01' AS TIMESTAMP), CAST('2023-04-01' AS TIMESTAMP), 1),
  (CAST('2023-04-01' AS TIMESTAMP), CAST('2023-05-01' AS TIMESTAMP), 0),
  (CAST('2023-04-01' AS TIMESTAMP), CAST('2023-05-01' AS TIMESTAMP), 1),
  (CAST('2023-05-01' AS TIMESTAMP), CAST('2023-06-01' AS TIMESTAMP), 0),
  (CAST('2023-05-01' AS TIMESTAMP), CAST('2023-06-01' AS TIMESTAMP), 1),
  (CAST('2023-06-01' AS TIMESTAMP), CAST('2023-07-01' AS TIMESTAMP), 0),
  (CAST('2023-06-01' AS TIMESTAMP), CAST('2023-07-01' AS TIMESTAMP), 1),
  (CAST('2023-07-01' AS TIMESTAMP), CAST('2023-08-01' AS TIMESTAMP), 0),
  (CAST('2023-07-01' AS TIMESTAMP), CAST('2023-08-01' AS TIMESTAMP), 1),
  (CAST('2023-08-01' AS TIMESTAMP), CAST('2023-09-01' AS TIMESTAMP), 0),
  (CAST('2023-08-01' AS TIMESTAMP), CAST('2023-09-01' AS TIMESTAMP), 1),
  (CAST('2023-09-01' AS TIMESTAMP), CAST('2023-10-01' AS TIMESTAMP), 0),
  (CAST('2023-09-01' AS TIMESTAMP), CAST('2023-10-01' AS TIMESTAMP), 1),
  (CAST('2023-10-01' AS TIMESTAMP), CAST('2023-11-01' AS TIMESTAMP), 0),
  (CAST('2023-10-01' AS TIMESTAMP), CAST('2023-11-01' AS TIMESTAMP), 1),
  (CAST('2023-11-01' AS TIMESTAMP), CAST('2023-12-01' AS TIMESTAMP), 0),
  (CAST('2023-11-01' AS TIMESTAMP), CAST('2023-12-01' AS TIMESTAMP), 1),
  (CAST('2023-12-01' AS TIMESTAMP), CAST('2024-01-01' AS TIMESTAMP), 0),
  (CAST('2023-12-01' AS TIMESTAMP), CAST('2024-01-01' AS TIMESTAMP), 1),
  (CAST('2024-01-01' AS TIMESTAMP), CAST('2024-02-01' AS TIMESTAMP), 0),
  (CAST('2024-01-01' AS TIMESTAMP), CAST('2024-02-01' AS TIMESTAMP), 1),
  (CAST('2024-02-01' AS TIMESTAMP), CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-02-01' AS TIMESTAMP), CAST('2024-03-01' AS TIMESTAMP), 1),
  (CAST('2024-03-01' AS TIMESTAMP), CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "known", "phase")
  ON p."cutoff" = l."cutoff"
WHERE
  l."cutoff" >= (
    SELECT
      MIN(e."__time")
    FROM foretell."lines" AS e
  );
CREATE OR REPLACE TABLE foretell."block_27_rows" AS
SELECT
  r."row",
  p."phase" AS anchor,
  p."until" AS cutoff
FROM foretell."rows" AS r
JOIN (VALUES
  (CAST('2024-03-01' AS TIMESTAMP), CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-04-01' AS TIMESTAMP), CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "until", "phase")
  ON p."cutoff" = r."cutoff";
CREATE OR REPLACE TABLE foretell."block_27_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum
FROM foretell."events_30" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_27_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."v0_n") AS v0_n,
  SUM(j."v0_sum") AS v0_sum
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '1' MONTH THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_n",
    u."v0_sum"
  FROM foretell."block_27_units" AS u
  JOIN foretell."block_27_rows" AS r
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
  CASE
    WHEN SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0) > 0
    THEN SUM(g."v0_sum") FILTER(WHERE
      g."ring" <= 0) / SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0)
  END AS "label.everyone.mean.1"
FROM foretell."block_27_rings" AS g
GROUP BY
  g."row";

-- The features, one row for each (entity, cutoff).
SELECT
  e."id",
  r."cutoff",
  COALESCE(f0."visits.count.all", 0) AS "visits.count.all",
  f1."visits.gap.last5" AS "visits.gap.last5",
  f2."orders.channel.last_category.all" AS "orders.channel.last_category.all",
  f2."orders.amount.max.3mo" AS "orders.amount.max.3mo",
  f3."orders.rating.mean.last20" AS "orders.rating.mean.last20",
  f4."orders.rating.min.all" AS "orders.rating.min.all",
  f5."orders>lines.tenure.all" AS "orders>lines.tenure.all",
  f5."orders>lines.price.trend.all" AS "orders>lines.price.trend.all",
  f6."label.last" AS "label.last",
  f7."label.everyone.mean.1" AS "label.everyone.mean.1"
FROM foretell."rows" AS r
JOIN foretell."customers" AS e
  ON e."__row" = r."entity"
LEFT JOIN foretell."features_6" AS f0
  ON f0."row" = r."row"
LEFT JOIN foretell."features_8" AS f1
  ON f1."row" = r."row"
LEFT JOIN foretell."features_11" AS f2
  ON f2."row" = r."row"
LEFT JOIN foretell."features_14" AS f3
  ON f3."row" = r."row"
LEFT JOIN foretell."features_16" AS f4
  ON f4."row" = r."row"
LEFT JOIN foretell."features_19" AS f5
  ON f5."row" = r."row"
LEFT JOIN foretell."features_26" AS f6
  ON f6."row" = r."row"
LEFT JOIN foretell."features_33" AS f7
  ON f7."row" = r."row"
ORDER BY
  r."row";
