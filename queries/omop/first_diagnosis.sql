-- The first condition of the diagnosis of each patient.
SELECT f.*
FROM (
  SELECT s.*, ROW_NUMBER() OVER (
    PARTITION BY s.person_id ORDER BY s.condition_start_date, s.condition_occurrence_id
  ) AS place_
  FROM @cdm.condition_occurrence s
  WHERE s.condition_concept_id IN (:diagnosis)
) f
WHERE f.place_ = 1
ORDER BY f.person_id
