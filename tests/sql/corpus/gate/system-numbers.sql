-- allowed
SELECT number FROM system.numbers, system.one LIMIT 3
