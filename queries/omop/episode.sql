-- Episodes of disease and treatment of the patients, one row each, with the identifier that the source has for the person.
SELECT e.*, p.person_source_value
FROM @cdm.episode e
LEFT JOIN @cdm.person p ON p.person_id = e.person_id
WHERE 1 = 1
{diagnosis}?{AND e.person_id IN (
  SELECT s.person_id FROM @cdm.condition_occurrence s WHERE s.condition_concept_id IN (:diagnosis)
)}
{concepts}?{AND e.episode_concept_id IN (:concepts)}
ORDER BY e.episode_id
