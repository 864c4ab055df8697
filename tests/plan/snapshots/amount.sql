
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

-- 4 features:
--   lines.recency.all: days since the last of lines so far
--   lines.price.sum.90d: total price of lines in the last 90 days
--   lines.price.trend.all: trend (slope per day) of price of lines so far
--   lines.price.max.30d: highest price of lines in the last 30 days

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
  MAX(e."t") AS latest,
  SUM(e."v0") AS v0_sum,
  COUNT(e."v0") AS v0_n,
  SUM(CASE WHEN NOT e."v0" IS NULL THEN (
    EPOCH(e."t") / 86400.0 - 14610
  ) END) AS v0_x,
  VAR_POP(CASE WHEN NOT e."v0" IS NULL THEN (
    EPOCH(e."t") / 86400.0 - 14610
  ) END) * COUNT(e."v0") AS v0_sxx,
  COVAR_POP(e."v0", (
    EPOCH(e."t") / 86400.0 - 14610
  )) * COUNT(e."v0") AS v0_sxv,
  MAX(e."v0") AS v0_max
FROM foretell."events_3" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_2_means" AS
SELECT
  j."row",
  j."ring",
  SUM(j."v0_sum") / NULLIF(SUM(j."v0_n"), 0) AS v0_sum_mean,
  SUM(j."v0_x") / NULLIF(SUM(j."v0_n"), 0) AS v0_x_mean
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE
      WHEN u."at" > r."cutoff" - INTERVAL '30' DAY
      THEN 0
      WHEN u."at" > r."cutoff" - INTERVAL '90' DAY
      THEN 1
      ELSE 2
    END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."latest",
    u."v0_sum",
    u."v0_n",
    u."v0_x",
    u."v0_sxx",
    u."v0_sxv",
    u."v0_max"
  FROM foretell."block_2_units" AS u
  JOIN foretell."block_2_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_2_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  MAX(j."latest") AS latest,
  SUM(j."v0_sum") AS v0_sum,
  SUM(j."v0_n") AS v0_n,
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
  ) AS v0_sxv,
  MAX(j."v0_max") AS v0_max
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE
      WHEN u."at" > r."cutoff" - INTERVAL '30' DAY
      THEN 0
      WHEN u."at" > r."cutoff" - INTERVAL '90' DAY
      THEN 1
      ELSE 2
    END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."latest",
    u."v0_sum",
    u."v0_n",
    u."v0_x",
    u."v0_sxx",
    u."v0_sxv",
    u."v0_max"
  FROM foretell."block_2_units" AS u
  JOIN foretell."block_2_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
JOIN foretell."block_2_means" AS m
  ON m."row" = j."row" AND m."ring" = j."ring"
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_2_wide" AS
SELECT
  g."row",
  SUM(g."v0_sum") / NULLIF(SUM(g."v0_n"), 0) AS v0_sum_mean,
  SUM(g."v0_x") / NULLIF(SUM(g."v0_n"), 0) AS v0_x_mean
FROM foretell."block_2_rings" AS g
GROUP BY
  g."row";
CREATE OR REPLACE TABLE foretell."features_4" AS
SELECT
  g."row",
  (
    EPOCH(MAX(g."cutoff")) - EPOCH(MAX(g."latest"))
  ) / 86400.0 AS "lines.recency.all",
  COALESCE(SUM(g."v0_sum") FILTER(WHERE
    g."ring" <= 1), 0) AS "lines.price.sum.90d",
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
  END AS "lines.price.trend.all",
  MAX(g."v0_max") FILTER(WHERE
    g."ring" <= 0) AS "lines.price.max.30d"
FROM foretell."block_2_rings" AS g
JOIN foretell."block_2_wide" AS m
  ON m."row" = g."row"
GROUP BY
  g."row";

-- 1 features:
--   customer>visits.count.7d: number of visits of the same customer in the last 7 days

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
  COUNT(*) AS rows
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
  SUM(j."rows") AS rows
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '7' DAY THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."rows"
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
    g."ring" <= 0), 0) AS "customer>visits.count.7d"
FROM foretell."block_5_rings" AS g
GROUP BY
  g."row";

-- 2 features:
--   customer>orders.gap.all: mean days between orders of the same customer so far
--   customer>orders.channel=web.sum.30d: number of orders of the same customer with channel = web in the last 30 days

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_9" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k,
  CAST(CAST((
    TRY_CAST(e0."channel" AS TEXT) = 'web'
  ) AS INT) AS DOUBLE) AS v0
FROM foretell."orders" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
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
  COUNT(*) AS rows,
  MIN(e."t") AS first,
  MAX(e."t") AS latest,
  SUM(e."v0") AS v0_sum
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
  SUM(j."rows") AS rows,
  MIN(j."first") AS first,
  MAX(j."latest") AS latest,
  SUM(j."v0_sum") AS v0_sum
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '30' DAY THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."rows",
    u."first",
    u."latest",
    u."v0_sum"
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
  CASE
    WHEN SUM(g."rows") > 1
    THEN (
      EPOCH(MAX(g."latest")) - EPOCH(MIN(g."first"))
    ) / 86400.0 / (
      SUM(g."rows") - 1
    )
  END AS "customer>orders.gap.all",
  COALESCE(SUM(g."v0_sum") FILTER(WHERE
    g."ring" <= 0), 0) AS "customer>orders.channel=web.sum.30d"
FROM foretell."block_8_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   customer>orders.rating.mean.last20: mean rating of orders of the same customer over the last 20

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_12" AS
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
CREATE OR REPLACE TABLE foretell."block_11_rows" AS
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
CREATE OR REPLACE TABLE foretell."block_11_latest" AS
SELECT
  *
FROM (
  SELECT
    r."row" AS anchor,
    e."t",
    e."k",
    ROW_NUMBER() OVER (PARTITION BY r."row" ORDER BY e."k" DESC) AS place,
    e."v0"
  FROM foretell."events_12" AS e
  JOIN foretell."block_11_rows" AS r
    ON e."anchor" = r."anchor" AND e."t" <= r."cutoff"
) AS e
WHERE
  e."place" <= 20
ORDER BY
  e."k";
CREATE OR REPLACE TABLE foretell."block_11_own" AS
SELECT
  r."row",
  r."row" AS anchor,
  r."cutoff"
FROM foretell."block_11_rows" AS r;
CREATE OR REPLACE TABLE foretell."block_11_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  e."place",
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum
FROM foretell."block_11_latest" AS e
GROUP BY
  e."anchor",
  e."t",
  e."place"
ORDER BY
  "at",
  anchor,
  place;
CREATE OR REPLACE TABLE foretell."block_11_rings" AS
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
  FROM foretell."block_11_units" AS u
  JOIN foretell."block_11_own" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_13" AS
SELECT
  g."row",
  CASE
    WHEN SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0) > 0
    THEN SUM(g."v0_sum") FILTER(WHERE
      g."ring" <= 0) / SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0)
  END AS "customer>orders.rating.mean.last20"
FROM foretell."block_11_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   cutoff.weekday: weekday of the cutoff
CREATE OR REPLACE TABLE foretell."features_14" AS
SELECT
  r."row",
  CAST(EXTRACT(ISODOW FROM r."cutoff") AS DOUBLE) AS "cutoff.weekday"
FROM foretell."rows" AS r;

-- The features, one row for each (entity, cutoff).
SELECT
  e."id",
  r."cutoff",
  f0."lines.recency.all" AS "lines.recency.all",
  COALESCE(f0."lines.price.sum.90d", 0) AS "lines.price.sum.90d",
  f0."lines.price.trend.all" AS "lines.price.trend.all",
  f0."lines.price.max.30d" AS "lines.price.max.30d",
  COALESCE(f1."customer>visits.count.7d", 0) AS "customer>visits.count.7d",
  f2."customer>orders.gap.all" AS "customer>orders.gap.all",
  COALESCE(f2."customer>orders.channel=web.sum.30d", 0) AS "customer>orders.channel=web.sum.30d",
  f3."customer>orders.rating.mean.last20" AS "customer>orders.rating.mean.last20",
  f4."cutoff.weekday" AS "cutoff.weekday"
FROM foretell."rows" AS r
JOIN foretell."orders" AS e
  ON e."__row" = r."entity"
LEFT JOIN foretell."features_4" AS f0
  ON f0."row" = r."row"
LEFT JOIN foretell."features_7" AS f1
  ON f1."row" = r."row"
LEFT JOIN foretell."features_10" AS f2
  ON f2."row" = r."row"
LEFT JOIN foretell."features_13" AS f3
  ON f3."row" = r."row"
LEFT JOIN foretell."features_14" AS f4
  ON f4."row" = r."row"
ORDER BY
  r."row";
