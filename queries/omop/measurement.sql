-- Measurements of the patients, one row each, with the identifier that the source has for the person.
SELECT m.*, p.person_source_value
FROM @cdm.measurement m
LEFT JOIN @cdm.person p ON p.person_id = m.person_id
WHERE 1 = 1
{diagnosis}?{AND m.person_id IN (
  SELECT s.person_id FROM @cdm.condition_occurrence s WHERE s.condition_concept_id IN (:diagnosis)
)}
{concepts}?{AND m.measurement_concept_id IN (:concepts)}
ORDER BY m.measurement_id
