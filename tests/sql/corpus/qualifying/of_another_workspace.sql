WITH origin AS (SELECT 1 AS visits)
SELECT a.n, 'FROM origin.visits', (SELECT count() FROM origin.visits)
FROM origin.visits AS a, `origin` . "visits" AS b
INNER JOIN origin /* of the other */ .visits FINAL ON a.n = visits.n
LEFT JOIN origin.other AS c ON a.n = c.n
WHERE a.n IN origin.visits AND in(a.n, origin.visits) AND a.n IN (origin.visits) AND a.n NOT IN (SELECT n FROM other.visits)
-- FROM origin.visits
---
WITH origin AS (SELECT 1 AS visits)
SELECT a.n, 'FROM origin.visits', (SELECT count() FROM `d7`.visits)
FROM `d7`.visits AS a, `d7` . "visits" AS b
INNER JOIN `d7` /* of the other */ .visits FINAL ON a.n = visits.n
LEFT JOIN origin.other AS c ON a.n = c.n
WHERE a.n IN `d7`.visits AND in(a.n, `d7`.visits) AND a.n IN (`d7`.visits) AND a.n NOT IN (SELECT n FROM other.visits)
-- FROM origin.visits
