-- Deaths of the patients, one row each, with the identifier that the source has for the person.
SELECT x.*, p.person_source_value
FROM @cdm.death x
LEFT JOIN @cdm.person p ON p.person_id = x.person_id
WHERE 1 = 1
{diagnosis}?{AND x.person_id IN (
  SELECT s.person_id FROM @cdm.condition_occurrence s WHERE s.condition_concept_id IN (:diagnosis)
)}
ORDER BY x.person_id, x.death_date
