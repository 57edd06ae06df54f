-- The columns of a table, and no row of it.
SELECT *
FROM @cdm.@table
WHERE 1 = 0
