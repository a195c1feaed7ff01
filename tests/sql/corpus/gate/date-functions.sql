-- allowed
SELECT currentDatabase, current_timestamp, current_date(), now() FROM (SELECT 1 AS currentDatabase)
