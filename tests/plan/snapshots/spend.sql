
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
  r."cutoff"
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

-- 3 features:
--   orders.amount.sum.1mo: total amount of orders in the last 1 month
--   orders.channel.mode.all: most frequent channel of orders so far
--   orders.channel=shop.sum.3mo: number of orders with channel = shop in the last 3 months

-- Events of orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_8" AS
SELECT
  e1."__row" AS anchor,
  e0."__time" AS t,
  e0."__row" AS k,
  CASE
    WHEN ABS(CAST(e0."amount" AS DOUBLE)) < 1e150
    THEN CAST(e0."amount" AS DOUBLE)
  END AS v0,
  CAST(e0."channel" AS TEXT) AS v1,
  CAST(CAST((
    TRY_CAST(e0."channel" AS TEXT) = 'shop'
  ) AS INT) AS DOUBLE) AS v2
FROM foretell."orders" AS e0
JOIN foretell."customers" AS e1
  ON e0."customer" = e1."id"
ORDER BY
  k;
CREATE OR REPLACE TABLE foretell."block_7_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_7_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  SUM(e."v0") AS v0_sum,
  SUM(e."v2") AS v2_sum
FROM foretell."events_8" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_7_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."v0_sum") AS v0_sum,
  SUM(j."v2_sum") AS v2_sum
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE
      WHEN u."at" > r."cutoff" - INTERVAL '1' MONTH
      THEN 0
      WHEN u."at" > r."cutoff" - INTERVAL '3' MONTH
      THEN 1
      ELSE 2
    END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_sum",
    u."v2_sum"
  FROM foretell."block_7_units" AS u
  JOIN foretell."block_7_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_7_values1" AS
SELECT
  r."row",
  u."value",
  CASE
    WHEN u."at" > r."cutoff" - INTERVAL '1' MONTH
    THEN 0
    WHEN u."at" > r."cutoff" - INTERVAL '3' MONTH
    THEN 1
    ELSE 2
  END AS ring,
  SUM(u."n") AS n
FROM (
  SELECT
    e."anchor",
    e."t" AS "at",
    e."v1" AS value,
    COUNT(*) AS n
  FROM foretell."events_8" AS e
  WHERE
    NOT e."v1" IS NULL
  GROUP BY
    e."anchor",
    e."t",
    e."v1"
) AS u
JOIN foretell."block_7_rows" AS r
  ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
GROUP BY
  r."row",
  u."value",
  CASE
    WHEN u."at" > r."cutoff" - INTERVAL '1' MONTH
    THEN 0
    WHEN u."at" > r."cutoff" - INTERVAL '3' MONTH
    THEN 1
    ELSE 2
  END;
CREATE OR REPLACE TABLE foretell."features_9" AS
SELECT
  g."row",
  COALESCE(SUM(g."v0_sum") FILTER(WHERE
    g."ring" <= 0), 0) AS "orders.amount.sum.1mo",
  COALESCE(SUM(g."v2_sum") FILTER(WHERE
    g."ring" <= 1), 0) AS "orders.channel=shop.sum.3mo"
FROM foretell."block_7_rings" AS g
GROUP BY
  g."row";
CREATE OR REPLACE TABLE foretell."features_10" AS
SELECT
  m."row",
  m."value" AS "orders.channel.mode.all"
FROM (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY c."row" ORDER BY c."n" DESC, c."value") AS place
  FROM (
    SELECT
      g."row",
      g."value",
      SUM(g."n") AS n
    FROM foretell."block_7_values1" AS g
    GROUP BY
      g."row",
      g."value"
  ) AS c
) AS m
WHERE
  m."place" = 1;

-- 2 features:
--   orders.rating.mean.1mo: mean rating of orders in the last 1 month
--   orders.rating.max.3mo: highest rating of orders in the last 3 months

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
  r."entity" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_11_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum,
  MAX(e."v0") AS v0_max
FROM foretell."events_12" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_11_rings" AS
SELECT
  j."row",
  j."ring",
  MAX(j."cutoff") AS cutoff,
  SUM(j."v0_n") AS v0_n,
  SUM(j."v0_sum") AS v0_sum,
  MAX(j."v0_max") AS v0_max
FROM (
  SELECT
    r."row",
    r."cutoff",
    CASE
      WHEN u."at" > r."cutoff" - INTERVAL '1' MONTH
      THEN 0
      WHEN u."at" > r."cutoff" - INTERVAL '3' MONTH
      THEN 1
      ELSE 2
    END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_n",
    u."v0_sum",
    u."v0_max"
  FROM foretell."block_11_units" AS u
  JOIN foretell."block_11_rows" AS r
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
  END AS "orders.rating.mean.1mo",
  MAX(g."v0_max") FILTER(WHERE
    g."ring" <= 1) AS "orders.rating.max.3mo"
FROM foretell."block_11_rings" AS g
GROUP BY
  g."row";

-- 2 features:
--   orders>lines.gap.all: mean days between lines so far
--   orders>lines.price.std.all: spread (standard deviation) of price of lines so far

-- Events of lines → orders → customers: one row each, with its time t and what is read of it.
CREATE OR REPLACE TABLE foretell."events_15" AS
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
CREATE OR REPLACE TABLE foretell."block_14_rows" AS
SELECT
  r."row",
  r."entity" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r;
CREATE OR REPLACE TABLE foretell."block_14_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(*) AS rows,
  MIN(e."t") AS first,
  MAX(e."t") AS latest,
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum,
  VAR_POP(e."v0") * COUNT(e."v0") AS v0_m2
FROM foretell."events_15" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_14_means" AS
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
  FROM foretell."block_14_units" AS u
  JOIN foretell."block_14_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_14_rings" AS
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
  FROM foretell."block_14_units" AS u
  JOIN foretell."block_14_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
JOIN foretell."block_14_means" AS m
  ON m."row" = j."row" AND m."ring" = j."ring"
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."block_14_wide" AS
SELECT
  g."row",
  SUM(g."v0_sum") / NULLIF(SUM(g."v0_n"), 0) AS v0_sum_mean
FROM foretell."block_14_rings" AS g
GROUP BY
  g."row";
CREATE OR REPLACE TABLE foretell."features_16" AS
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
FROM foretell."block_14_rings" AS g
JOIN foretell."block_14_wide" AS m
  ON m."row" = g."row"
GROUP BY
  g."row";

-- 1 features:
--   label.last: the last known value

-- The entity's own labels at earlier cutoffs count from the close of their windows on.
CREATE OR REPLACE TABLE foretell."cutoffs_18" AS
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
CREATE OR REPLACE TABLE foretell."population_21" AS
SELECT
  e."__row" AS entity,
  c."cutoff",
  c."cutoff" AS asked
FROM foretell."customers" AS e
CROSS JOIN foretell."cutoffs_18" AS c
WHERE
  e."__time" <= c."cutoff" AND (
    e."left" IS NULL OR e."left" > c."cutoff"
  );

-- SUM over (cutoff + 0 months, cutoff + 1 month] of lines.
CREATE OR REPLACE TABLE foretell."value_22" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  SUM(e."v0" ORDER BY e."k") AS value
FROM foretell."events_2" AS e
JOIN foretell."cutoffs_18" AS c
  ON e."t" > c."cutoff" AND e."t" <= c."cutoff" + INTERVAL '1' MONTH
GROUP BY
  e."anchor",
  c."cutoff";

-- The labels of those that WHERE chooses, where ASSUMING held and there is a value.
CREATE OR REPLACE TABLE foretell."labels_19" AS
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
  FROM foretell."population_21" AS r
  LEFT JOIN foretell."customers" AS e
    ON e."__row" = r."entity"
  LEFT JOIN foretell."value_22" AS a0
    ON a0."entity" = r."entity" AND a0."cutoff" = r."cutoff"
  ORDER BY
    r."cutoff",
    r."entity"
) AS l
WHERE
  l."chosen" AND l."assumed" AND NOT l."label" IS NULL;
CREATE OR REPLACE TABLE foretell."events_20" AS
SELECT
  l."entity" * 2 + p."phase" AS anchor,
  p."known" AS t,
  ROW_NUMBER() OVER (ORDER BY l."cutoff", l."entity") AS k,
  CAST(l."label" AS DOUBLE) AS v0
FROM foretell."labels_19" AS l
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
CREATE OR REPLACE TABLE foretell."block_17_rows" AS
SELECT
  r."row",
  r."entity" * 2 + p."phase" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r
JOIN (VALUES
  (CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "phase")
  ON p."cutoff" = r."cutoff";
CREATE OR REPLACE TABLE foretell."block_17_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  ARG_MAX(e."v0", e."k") AS v0_last,
  MAX(CASE WHEN NOT e."v0" IS NULL THEN e."k" END) AS v0_last_k
FROM foretell."events_20" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_17_rings" AS
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
  FROM foretell."block_17_units" AS u
  JOIN foretell."block_17_rows" AS r
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
  ARG_MAX(g."v0_last", g."v0_last_k") FILTER(WHERE
    g."ring" <= 0) AS "label.last"
FROM foretell."block_17_rings" AS g
GROUP BY
  g."row";

-- 1 features:
--   label.everyone.mean.10: mean value of everyone over the last 10 windows

-- Everyone's labels at earlier cutoffs count from the close of their windows on.
CREATE OR REPLACE TABLE foretell."cutoffs_25" AS
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
CREATE OR REPLACE TABLE foretell."population_28" AS
SELECT
  e."__row" AS entity,
  c."cutoff",
  c."cutoff" AS asked
FROM foretell."customers" AS e
CROSS JOIN foretell."cutoffs_25" AS c
WHERE
  e."__time" <= c."cutoff" AND (
    e."left" IS NULL OR e."left" > c."cutoff"
  );

-- SUM over (cutoff + 0 months, cutoff + 1 month] of lines.
CREATE OR REPLACE TABLE foretell."value_29" AS
SELECT
  e."anchor" AS entity,
  c."cutoff",
  SUM(e."v0" ORDER BY e."k") AS value
FROM foretell."events_2" AS e
JOIN foretell."cutoffs_25" AS c
  ON e."t" > c."cutoff" AND e."t" <= c."cutoff" + INTERVAL '1' MONTH
GROUP BY
  e."anchor",
  c."cutoff";

-- The labels of those that WHERE chooses, where ASSUMING held and there is a value.
CREATE OR REPLACE TABLE foretell."labels_26" AS
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
  FROM foretell."population_28" AS r
  LEFT JOIN foretell."customers" AS e
    ON e."__row" = r."entity"
  LEFT JOIN foretell."value_29" AS a0
    ON a0."entity" = r."entity" AND a0."cutoff" = r."cutoff"
  ORDER BY
    r."cutoff",
    r."entity"
) AS l
WHERE
  l."chosen" AND l."assumed" AND NOT l."label" IS NULL;
CREATE OR REPLACE TABLE foretell."events_27" AS
SELECT
  p."phase" AS anchor,
  p."known" AS t,
  ROW_NUMBER() OVER (ORDER BY l."cutoff", l."entity") AS k,
  CAST(l."label" AS DOUBLE) AS v0
FROM foretell."labels_26" AS l
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
CREATE OR REPLACE TABLE foretell."block_24_rows" AS
SELECT
  r."row",
  p."phase" AS anchor,
  r."cutoff"
FROM foretell."rows" AS r
JOIN (VALUES
  (CAST('2024-03-01' AS TIMESTAMP), 0),
  (CAST('2024-04-01' AS TIMESTAMP), 1)) AS p("cutoff", "phase")
  ON p."cutoff" = r."cutoff";
CREATE OR REPLACE TABLE foretell."block_24_units" AS
SELECT
  e."anchor",
  e."t" AS "at",
  COUNT(e."v0") AS v0_n,
  SUM(e."v0") AS v0_sum
FROM foretell."events_27" AS e
GROUP BY
  e."anchor",
  e."t"
ORDER BY
  "at",
  anchor;
CREATE OR REPLACE TABLE foretell."block_24_rings" AS
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
    CASE WHEN u."at" > r."cutoff" - INTERVAL '10' MONTH THEN 0 ELSE 1 END AS ring,
    (
      EPOCH(r."cutoff") - EPOCH(u."at")
    ) / 86400.0 AS lag,
    u."v0_n",
    u."v0_sum"
  FROM foretell."block_24_units" AS u
  JOIN foretell."block_24_rows" AS r
    ON u."anchor" = r."anchor" AND u."at" <= r."cutoff"
) AS j
GROUP BY
  j."row",
  j."ring"
ORDER BY
  j."row",
  j."ring";
CREATE OR REPLACE TABLE foretell."features_30" AS
SELECT
  g."row",
  CASE
    WHEN SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0) > 0
    THEN SUM(g."v0_sum") FILTER(WHERE
      g."ring" <= 0) / SUM(g."v0_n") FILTER(WHERE
      g."ring" <= 0)
  END AS "label.everyone.mean.10"
FROM foretell."block_24_rings" AS g
GROUP BY
  g."row";

-- The features, one row for each (entity, cutoff).
SELECT
  e."id",
  r."cutoff",
  COALESCE(f0."visits.count.all", 0) AS "visits.count.all",
  COALESCE(f1."orders.amount.sum.1mo", 0) AS "orders.amount.sum.1mo",
  COALESCE(f1."orders.channel=shop.sum.3mo", 0) AS "orders.channel=shop.sum.3mo",
  f2."orders.channel.mode.all" AS "orders.channel.mode.all",
  f3."orders.rating.mean.1mo" AS "orders.rating.mean.1mo",
  f3."orders.rating.max.3mo" AS "orders.rating.max.3mo",
  f4."orders>lines.gap.all" AS "orders>lines.gap.all",
  f4."orders>lines.price.std.all" AS "orders>lines.price.std.all",
  f5."label.last" AS "label.last",
  f6."label.everyone.mean.10" AS "label.everyone.mean.10"
FROM foretell."rows" AS r
JOIN foretell."customers" AS e
  ON e."__row" = r."entity"
LEFT JOIN foretell."features_6" AS f0
  ON f0."row" = r."row"
LEFT JOIN foretell."features_9" AS f1
  ON f1."row" = r."row"
LEFT JOIN foretell."features_10" AS f2
  ON f2."row" = r."row"
LEFT JOIN foretell."features_13" AS f3
  ON f3."row" = r."row"
LEFT JOIN foretell."features_16" AS f4
  ON f4."row" = r."row"
LEFT JOIN foretell."features_23" AS f5
  ON f5."row" = r."row"
LEFT JOIN foretell."features_30" AS f6
  ON f6."row" = r."row"
ORDER BY
  r."row";
