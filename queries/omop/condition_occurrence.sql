-- Conditions of the patients, one row each, with the identifier that the source has for the person.
SELECT c.*, p.person_source_value
FROM @cdm.condition_occurrence c
LEFT JOIN @cdm.person p ON p.person_id = c.person_id
WHERE 1 = 1
{diagnosis}?{AND c.person_id IN (
  SELECT s.person_id FROM @cdm.condition_occurrence s WHERE s.condition_concept_id IN (:diagnosis)
)}
{concepts}?{AND c.condition_concept_id IN (:concepts)}
ORDER BY c.condition_occurrence_id
