-- The patients: every person, or those with a condition of the diagnosis.
SELECT p.*
FROM @cdm.person p
WHERE 1 = 1
{diagnosis}?{AND p.person_id IN (
  SELECT s.person_id FROM @cdm.condition_occurrence s WHERE s.condition_concept_id IN (:diagnosis)
)}
ORDER BY p.person_id
