-- Periods of observation of the patients, one row each, with the identifier that the source has for the person.
SELECT b.*, p.person_source_value
FROM @cdm.observation_period b
LEFT JOIN @cdm.person p ON p.person_id = b.person_id
WHERE 1 = 1
{diagnosis}?{AND b.person_id IN (
  SELECT s.person_id FROM @cdm.condition_occurrence s WHERE s.condition_concept_id IN (:diagnosis)
)}
ORDER BY b.person_id, b.observation_period_start_date
