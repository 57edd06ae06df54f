-- How many rows a table has.
SELECT COUNT(*)
FROM @cdm.@table
