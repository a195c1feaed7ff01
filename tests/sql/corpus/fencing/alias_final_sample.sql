SELECT count() FROM m AS x FINAL SAMPLE 1/2 OFFSET 1/4
---
SELECT count() FROM view(WITH '{"final": true, "sample_size": {"type": "SampleRatio", "numerator": "1", "denominator": "2"}, "sample_offset": {"type": "SampleRatio", "numerator": "1", "denominator": "4"}}' SELECT * FROM fencing.m FINAL SAMPLE 1 / 2 OFFSET 1 / 4 WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS x
---
[0]
