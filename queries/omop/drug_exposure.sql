-- Drug exposures of the patients, one row each, with the identifier that the source has for the person.
SELECT d.*, p.person_source_value
FROM @cdm.drug_exposure d
LEFT JOIN @cdm.person p ON p.person_id = d.person_id
WHERE 1 = 1
{diagnosis}?{AND d.person_id IN (
  SELECT s.person_id FROM @cdm.condition_occurrence s WHERE s.condition_concept_id IN (:diagnosis)
)}
{concepts}?{AND d.drug_concept_id IN (:concepts)}
ORDER BY d.drug_exposure_id
