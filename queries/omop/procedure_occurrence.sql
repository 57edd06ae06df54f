-- Procedures of the patients, one row each, with the identifier that the source has for the person.
SELECT q.*, p.person_source_value
FROM @cdm.procedure_occurrence q
LEFT JOIN @cdm.person p ON p.person_id = q.person_id
WHERE 1 = 1
{diagnosis}?{AND q.person_id IN (
  SELECT s.person_id FROM @cdm.condition_occurrence s WHERE s.condition_concept_id IN (:diagnosis)
)}
{concepts}?{AND q.procedure_concept_id IN (:concepts)}
ORDER BY q.procedure_occurrence_id
