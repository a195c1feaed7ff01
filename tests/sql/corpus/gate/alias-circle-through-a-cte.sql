-- SC515 d secret
WITH d AS (SELECT 1 IN secret AS z), (SELECT z FROM d) AS secret SELECT secret
