-- Visits of the patients, one row each, with the identifier that the source has for the person.
SELECT v.*, p.person_source_value
FROM @cdm.visit_occurrence v
LEFT JOIN @cdm.person p ON p.person_id = v.person_id
WHERE 1 = 1
{diagnosis}?{AND v.person_id IN (
  SELECT s.person_id FROM @cdm.condition_occurrence s WHERE s.condition_concept_id IN (:diagnosis)
)}
{concepts}?{AND v.visit_concept_id IN (:concepts)}
ORDER BY v.visit_occurrence_id
