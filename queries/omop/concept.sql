-- Names and codes of concepts.
SELECT k.concept_id, k.concept_name, k.concept_code
FROM @cdm.concept k
WHERE k.concept_id IN (:concepts)
