
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

-- 1 features:
--   customers.left.age: days since left
CREATE OR REPLACE TABLE foretell."features_6" AS
SELECT
  r."row",
  CASE
    WHEN a0."left" <= r."cutoff"
    THEN (
      EPOCH(r."cutoff") - EPOCH(a0."left")
    ) / 86400.0
  END AS "customers.left.age"
FROM foretell."rows" AS r
LEFT JOIN foretell."customers" AS a0
  ON r."entity" = a0."__row" AND a0."__time" <= r."cutoff";

-- 1 features:
--   region>regions.size: size of its region

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
CREATE OR REPLACE TABLE foretell."features_7" AS
SELECT
  r."row",
  CAST(a1."size" AS DOUBLE) AS "region>regions.size"
FROM foretell."rows" AS r
LEFT JOIN foretell."customers" AS a0
  ON r."entity" = a0."__row" AND a0."__time" <= r."cutoff"
LEFT JOIN foretell."regions" AS a1
  ON a0."region" = a1."id";

-- 3 features:
--   orders.tenure.all: days since the first of orders so far
--   orders.amount.mean.all: mean amount of orders so far
--   orders.amount.std.all: spread (standard deviation) of amount of orders so far

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_9" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k,
  CASE
    WHEN ABS(CAST(e0."amount" AS DOUBLE)) < 1e150
    THEN CAST(e0."amount" AS DOUBLE)
  END AS v0
FROM foretell."orders" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_8_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_8_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  MIN(e."t") AS first,
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum,
  VAR_POP(e."v0") * COUNT(e."v0") AS v0_m2
FROM foretell."events_9" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_8_means" AS
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
    u."first",
    u."v0_n",
    u."v0_sum",
    u."v0_m2"
  FROM foretell."block_8_units" AS u
  JOIN foretell."block_8_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_8_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  MIN(j."first") AS first,
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
    u."first",
    u."v0_n",
    u."v0_sum",
    u."v0_m2"
  FROM foretell."block_8_units" AS u
  JOIN foretell."block_8_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
JOIN foretell."block_8_means" AS m
  ON m."row" = j."row" AND m."ring" = j."ring"
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_8_wide" AS
SELECT
  g."row",
  SUM(g."v0_sum") / NULLIF(SUM(g."v0_n"), 0) AS v0_sum_mean
FROM foretell."block_8_rings" AS g
GROUP BY
  g."row";
CREATE OR REPLACE TABLE foretell."features_10" AS
SELECT
  g."row",
  (
    EPOCH(MAX(g."cutoff")) - EPOCH(MIN(g."first"))
  ) / 86400.0 AS "orders.tenure.all",
  CASE WHEN SUM(g."v0_n") > 0 THEN SUM(g."v0_sum") / SUM(g."v0_n") END AS "orders.amount.mean.all",
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
  END AS "orders.amount.std.all"
FROM foretell."block_8_rings" AS g
JOIN foretell."block_8_wide" AS m
  ON m."row" = g."row"
GROUP BY
  g."row";

-- 1 features:
--   orders.tenure.last5: days since the first of orders over the last 5
CREATE OR REPLACE TABLE foretell."block_11_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_11_latest" AS
SELECT
  *
FROM (
  SELECT
    r."row" AS anchor,
    e."t",
    e."k",
    ROW_NUMBER() OVER (PARTITION BY r."row" ORDER BY e."k" DESC) AS place
  FROM foretell."events_4" AS e
  JOIN foretell."block_11_rows" AS r
    ON e."anchor" = r."anchor" AND e."t" <= r."cutoff"
) AS e
WHERE
  e."place" <= 5
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
  MIN(e."t") AS first
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
  MIN(j."first") AS first
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."place" <= 5 THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."first"
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
CREATE OR REPLACE TABLE foretell."features_12" AS
SELECT
  g."row",
  (
    EPOCH(MAX(g."cutoff")) - EPOCH(MIN(g."first") FILTER(WHERE
      g."ring" <= 0))
  ) / 86400.0 AS "orders.tenure.last5"
FROM foretell."block_11_rings" AS g
GROUP BY
  g."row";

-- 3 features:
--   orders.rating.mean.all: mean rating of orders so far
--   orders.rating.min.all: lowest rating of orders so far
--   orders.rating.trend.all: trend (slope per day) of rating of orders so far

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_14" AS
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
CREATE OR REPLACE TABLE foretell."block_13_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_13_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum,
  MIN(e."v0") AS v0_min,
  SUM(CASE WHEN NOT e."v0" IS NULL THEN (
    EPOCH(e."t") / 86400.0 - 14610
  ) END) AS v0_x,
  VAR_POP(CASE WHEN NOT e."v0" IS NULL THEN (
    EPOCH(e."t") / 86400.0 - 14610
  ) END) * COUNT(e."v0") AS v0_sxx,
  COVAR_POP(e."v0", (
    EPOCH(e."t") / 86400.0 - 14610
  )) * COUNT(e."v0") AS v0_sxv
FROM foretell."events_14" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_13_means" AS
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
    u."v0_n",
    u."v0_sum",
    u."v0_min",
    u."v0_x",
    u."v0_sxx",
    u."v0_sxv"
  FROM foretell."block_13_units" AS u
  JOIN foretell."block_13_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_13_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."v0_n") AS v0_n,
  SUM(j."v0_sum") AS v0_sum,
  MIN(j."v0_min") AS v0_min,
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
    u."v0_n",
    u."v0_sum",
    u."v0_min",
    u."v0_x",
    u."v0_sxx",
    u."v0_sxv"
  FROM foretell."block_13_units" AS u
  JOIN foretell."block_13_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
JOIN foretell."block_13_means" AS m
  ON m."row" = j."row" AND m."ring" = j."ring"
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_13_wide" AS
SELECT
  g."row",
  SUM(g."v0_sum") / NULLIF(SUM(g."v0_n"), 0) AS v0_sum_mean,
  SUM(g."v0_x") / NULLIF(SUM(g."v0_n"), 0) AS v0_x_mean
FROM foretell."block_13_rings" AS g
GROUP BY
  g."row";
CREATE OR REPLACE TABLE foretell."features_15" AS
SELECT
  g."row",
  CASE WHEN SUM(g."v0_n") > 0 THEN SUM(g."v0_sum") / SUM(g."v0_n") END AS "orders.rating.mean.all",
  MIN(g."v0_min") AS "orders.rating.min.all",
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
  END AS "orders.rating.trend.all"
FROM foretell."block_13_rings" AS g
JOIN foretell."block_13_wide" AS m
  ON m."row" = g."row"
GROUP BY
  g."row";

-- 2 features:
--   orders>lines.price.sum.90d: total price of lines in the last 90 days
--   orders>lines.price.trend.all: trend (slope per day) of price of lines so far

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
CREATE OR REPLACE TABLE foretell."events_17" AS
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
CREATE OR REPLACE TABLE foretell."block_16_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_16_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
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
  )) * COUNT(e."v0") AS v0_sxv
FROM foretell."events_17" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_16_means" AS
SELECT
  j."row",
  j."ring",
  SUM(j."v0_sum") / NULLIF(SUM(j."v0_n"), 0) AS v0_sum_mean,
  SUM(j."v0_x") / NULLIF(SUM(j."v0_n"), 0) AS v0_x_mean
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '90' DAY THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_sum",
    u."v0_n",
    u."v0_x",
    u."v0_sxx",
    u."v0_sxv"
  FROM foretell."block_16_units" AS u
  JOIN foretell."block_16_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_16_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
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
  ) AS v0_sxv
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE WHEN u."at" > r."cutoff" - INTERVAL '90' DAY THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_sum",
    u."v0_n",
    u."v0_x",
    u."v0_sxx",
    u."v0_sxv"
  FROM foretell."block_16_units" AS u
  JOIN foretell."block_16_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
JOIN foretell."block_16_means" AS m
  ON m."row" = j."row" AND m."ring" = j."ring"
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_16_wide" AS
SELECT
  g."row",
  SUM(g."v0_sum") / NULLIF(SUM(g."v0_n"), 0) AS v0_sum_mean,
  SUM(g."v0_x") / NULLIF(SUM(g."v0_n"), 0) AS v0_x_mean
FROM foretell."block_16_rings" AS g
GROUP BY
  g."row";
CREATE OR REPLACE TABLE foretell."features_18" AS
SELECT
  g."row",
  COALESCE(SUM(g."v0_sum") FILTER(WHERE
    g."ring" <= 0), 0) AS "orders>lines.price.sum.90d",
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
FROM foretell."block_16_rings" AS g
JOIN foretell."block_16_wide" AS m
  ON m."row" = g."row"
GROUP BY
  g."row";

-- 1 features:
--   region>customers.gap.last5: mean days between customers of the same region over the last 5

-- Events of customers → regions: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_20" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k
FROM foretell."customers" AS e0
JOIN foretell."regions" AS e1
  ON e0."region" = e1."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_19_rows" AS
SELECT
  r."row",
  a1."__row" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r
LEFT JOIN foretell."customers" AS a0
  ON r."entity" = a0."__row" AND a0."__time" <= r."cutoff"
LEFT JOIN foretell."regions" AS a1
  ON a0."region" = a1."id"
WHERE
  NOT a1."__row" IS NULL;
CREATE OR REPLACE TABLE foretell."block_19_latest" AS
SELECT
  *
FROM (
  SELECT
    r."row" AS anchor,
    e."t",
    e."k",
    ROW_NUMBER() OVER (PARTITION BY r."row" ORDER BY e."k" DESC) AS place
  FROM foretell."events_20" AS e
  JOIN foretell."block_19_rows" AS r
    ON e."anchor" = r."anchor" AND e."t" <= r."cutoff"
) AS e
WHERE
  e."place" <= 5
ORDER BY
  e."k";
CREATE OR REPLACE TABLE foretell."block_19_own" AS
SELECT
  r."row",
  r."row" AS anchor,
  r."cutoff"
FROM foretell."block_19_rows" AS r;
CREATE OR REPLACE TABLE foretell."block_19_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  e."place",
  COUNT(*) AS rows,
  MIN(e."t") AS first,
  MAX(e."t") AS latest
FROM foretell."block_19_latest" AS e
GROUP BY
  e."anchor",
  e."t",
  e."place"
ORDER BY
  "at",
  anchor,
  place;
CREATE OR REPLACE TABLE foretell."block_19_rings" AS
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
  FROM foretell."block_19_units" AS u
  JOIN foretell."block_19_own" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_21" AS
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
FROM foretell."block_19_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   label.last: the last known outcome

-- The entity's own labels at earlier cutoffs count from the close of their windows on.
CREATE OR REPLACE TABLE foretell."cutoffs_23" AS
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
CREATE OR REPLACE TABLE foretell."population_26" AS
SELECT
  e."__row" AS entity,
  c."cutoff",
  c."cutoff" AS asked
FROM foretell."customers" AS e
CROSS JOIN foretell."cutoffs_23" AS c
WHERE
  e."__time" <= c."cutoff" AND (
    e."left" IS NULL OR e."left" > c."cutoff"
  );

-- COUNT over (cutoff + 0 days, cutoff + 30 days] of orders.
CREATE OR REPLACE TABLE foretell."value_27" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  COUNT(*) AS value
FROM foretell."events_2" AS e
JOIN foretell."cutoffs_23" AS c
  ON e."t" > c."cutoff" AND e."t" <= c."cutoff" + INTERVAL '30' DAY
GROUP BY
  e."anchor",
  c."cutoff";

-- COUNT over (cutoff + -90 days, cutoff + 0 days] of orders.
CREATE OR REPLACE TABLE foretell."value_28" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  COUNT(*) AS value
FROM foretell."events_4" AS e
JOIN foretell."cutoffs_23" AS c
  ON e."t" > c."cutoff" - INTERVAL '90' DAY AND e."t" <= c."cutoff"
GROUP BY
  e."anchor",
  c."cutoff";

-- The labels of those that WHERE chooses, where ASSUMING held and there is a value.
CREATE OR REPLACE TABLE foretell."labels_24" AS
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
  FROM foretell."population_26" AS r
  LEFT JOIN foretell."customers" AS e
    ON e."__row" = r."entity"
  LEFT JOIN foretell."value_27" AS a0
    ON a0."entity" = r."entity" AND a0."cutoff" = r."cutoff"
  LEFT JOIN foretell."value_28" AS a1
    ON a1."entity" = r."entity" AND a1."cutoff" = r."cutoff"
  ORDER BY
    r."cutoff",
    r."entity"
) AS l
WHERE
  l."chosen" AND l."assumed" AND NOT l."label" IS NULL;
CREATE OR REPLACE TABLE foretell."events_25" AS
SELECT
  l."entity" * 2 + p."phase" AS anchor,
  p."known" AS t,
  ROW_NUMBER() OVER (ORDER BY l."cutoff", l."entity") AS k,
  CAST(CAST(l."label" AS INT) AS DOUBLE) AS v0
FROM foretell."labels_24" AS l
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
CREATE OR REPLACE TABLE foretell."block_22_rows" AS
SELECT
  r."row",
  r."entity" * 2 + p."phase" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r
JOIN (VALUES
  (CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "phase")
  ON p."cutoff" = r."cutoff";
CREATE OR REPLACE TABLE foretell."block_22_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  ARG_MAX(e."v0", e."k") AS v0_last,
  MAX(CASE WHEN NOT e."v0" IS NULL THEN e."k" END) AS v0_last_k
FROM foretell."events_25" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_22_rings" AS
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
  FROM foretell."block_22_units" AS u
  JOIN foretell."block_22_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_29" AS
SELECT
  g."row",
  ARG_MAX(g."v0_last", g."v0_last_k") FILTER(WHERE
    g."ring" <= 0) AS "label.last"
FROM foretell."block_22_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   label.mean.last10: mean of the last 10 known outcomes

-- The entity's own labels at earlier cutoffs count from the close of their windows on.
CREATE OR REPLACE TABLE foretell."cutoffs_31" AS
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
CREATE OR REPLACE TABLE foretell."population_34" AS
SELECT
  e."__row" AS entity,
  c."cutoff",
  c."cutoff" AS asked
FROM foretell."customers" AS e
CROSS JOIN foretell."cutoffs_31" AS c
WHERE
  e."__time" <= c."cutoff" AND (
    e."left" IS NULL OR e."left" > c."cutoff"
  );

-- COUNT over (cutoff + 0 days, cutoff + 30 days] of orders.
CREATE OR REPLACE TABLE foretell."value_35" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  COUNT(*) AS value
FROM foretell."events_2" AS e
JOIN foretell."cutoffs_31" AS c
  ON e."t" > c."cutoff" AND e."t" <= c."cutoff" + INTERVAL '30' DAY
GROUP BY
  e."anchor",
  c."cutoff";

-- COUNT over (cutoff + -90 days, cutoff + 0 days] of orders.
CREATE OR REPLACE TABLE foretell."value_36" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  COUNT(*) AS value
FROM foretell."events_4" AS e
JOIN foretell."cutoffs_31" AS c
  ON e."t" > c."cutoff" - INTERVAL '90' DAY AND e."t" <= c."cutoff"
GROUP BY
  e."anchor",
  c."cutoff";

-- The labels of those that WHERE chooses, where ASSUMING held and there is a value.
CREATE OR REPLACE TABLE foretell."labels_32" AS
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
  FROM foretell."population_34" AS r
  LEFT JOIN foretell."customers" AS e
    ON e."__row" = r."entity"
  LEFT JOIN foretell."value_35" AS a0
    ON a0."entity" = r."entity" AND a0."cutoff" = r."cutoff"
  LEFT JOIN foretell."value_36" AS a1
    ON a1."entity" = r."entity" AND a1."cutoff" = r."cutoff"
  ORDER BY
    r."cutoff",
    r."entity"
) AS l
WHERE
  l."chosen" AND l."assumed" AND NOT l."label" IS NULL;
CREATE OR REPLACE TABLE foretell."events_33" AS
SELECT
  l."entity" * 2 + p."phase" AS anchor,
  p."known" AS t,
  ROW_NUMBER() OVER (ORDER BY l."cutoff", l."entity") AS k,
  CAST(CAST(l."label" AS INT) AS DOUBLE) AS v0
FROM foretell."labels_32" AS l
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
CREATE OR REPLACE TABLE foretell."block_30_rows" AS
SELECT
  r."row",
  r."entity" * 2 + p."phase" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r
JOIN (VALUES
  (CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "phase")
  ON p."cutoff" = r."cutoff";
CREATE OR REPLACE TABLE foretell."block_30_latest" AS
SELECT
  *
FROM (
  SELECT
    r."row" AS anchor,
    e."t",
    e."k",
    ROW_NUMBER() OVER (PARTITION BY r."row" ORDER BY e."k" DESC) AS place,
    e."v0"
  FROM foretell."events_33" AS e
  JOIN foretell."block_30_rows" AS r
    ON e."anchor" = r."anchor" AND e."t" <= r."cutoff"
) AS e
WHERE
  e."place" <= 10
ORDER BY
  e."k";
CREATE OR REPLACE TABLE foretell."block_30_own" AS
SELECT
  r."row",
  r."row" AS anchor,
  r."cutoff"
FROM foretell."block_30_rows" AS r;
CREATE OR REPLACE TABLE foretell."block_30_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  e."place",
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum
FROM foretell."block_30_latest" AS e
GROUP BY
  e."anchor",
  e."t",
  e."place"
ORDER BY
  "at",
  anchor,
  place;
CREATE OR REPLACE TABLE foretell."block_30_rings" AS
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
    CASE WHEN u."place" <= 10 THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_n",
    u."v0_sum"
  FROM foretell."block_30_units" AS u
  JOIN foretell."block_30_own" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_37" AS
SELECT
  g."row",
  CASE
    WHEN SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0) > 0
    THEN SUM(g."v0_sum") FILTER(WHERE
      g."ring" <= 0) / SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0)
  END AS "label.mean.last10"
FROM foretell."block_30_rings" AS g
GROUP BY
  g."row";

-- The features, one row for each (entity, cutoff).
SELECT
  e."id",
  r."cutoff",
  f0."customers.left.age" AS "customers.left.age",
  f1."region>regions.size" AS "region>regions.size",
  f2."orders.tenure.all" AS "orders.tenure.all",
  f2."orders.amount.mean.all" AS "orders.amount.mean.all",
  f2."orders.amount.std.all" AS "orders.amount.std.all",
  f3."orders.tenure.last5" AS "orders.tenure.last5",
  f4."orders.rating.mean.all" AS "orders.rating.mean.all",
  f4."orders.rating.min.all" AS "orders.rating.min.all",
  f4."orders.rating.trend.all" AS "orders.rating.trend.all",
  COALESCE(f5."orders>lines.price.sum.90d", 0) AS "orders>lines.price.sum.90d",
  f5."orders>lines.price.trend.all" AS "orders>lines.price.trend.all",
  f6."region>customers.gap.last5" AS "region>customers.gap.last5",
  f7."label.last" AS "label.last",
  f8."label.mean.last10" AS "label.mean.last10"
FROM foretell."rows" AS r
JOIN foretell."customers" AS e
  ON e."__row" = r."entity"
LEFT JOIN foretell."features_6" AS f0
  ON f0."row" = r."row"
LEFT JOIN foretell."features_7" AS f1
  ON f1."row" = r."row"
LEFT JOIN foretell."features_10" AS f2
  ON f2."row" = r."row"
LEFT JOIN foretell."features_12" AS f3
  ON f3."row" = r."row"
LEFT JOIN foretell."features_15" AS f4
  ON f4."row" = r."row"
LEFT JOIN foretell."features_18" AS f5
  ON f5."row" = r."row"
LEFT JOIN foretell."features_21" AS f6
  ON f6."row" = r."row"
LEFT JOIN foretell."features_29" AS f7
  ON f7."row" = r."row"
LEFT JOIN foretell."features_37" AS f8
  ON f8."row" = r."row"
ORDER BY
  r."row";
