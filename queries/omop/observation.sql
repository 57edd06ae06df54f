-- Observations of the patients, one row each, with the identifier that the source has for the person.
SELECT o.*, p.person_source_value
FROM @cdm.observation o
LEFT JOIN @cdm.person p ON p.person_id = o.person_id
WHERE 1 = 1
{diagnosis}?{AND o.person_id IN (
  SELECT s.person_id FROM @cdm.condition_occurrence s WHERE s.condition_concept_id IN (:diagnosis)
)}
{concepts}?{AND o.observation_concept_id IN (:concepts)}
ORDER BY o.observation_id
